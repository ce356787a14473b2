use std::collections::BTreeMap;

use proptest::prelude::*;
use secrecy::SecretString;

use super::*;
use crate::msgpack::write;

// By Python's hashlib, of the values below.
const CLIENT_KEY_DIGEST: &str = "33e9adbb3cd2b7810e382cf89932d92f439dcae6bb77ef77e301feefe48c50da\
    3976b633c3f91469299b2e8e5db565b68dbc5e3893473c1b0e8e83320bd6b8ea";
const SERVER_KEY_DIGEST: &str = "d844dc860a110f5a0367f1ca4f7c6dcea21aff933b13cb5fd73cfe2cd58c9d1a\
    75b24f2cbdfeedbbaeed3a2524ff2243d76dbc3077d8e9eaa24ff3720c52d3e1";
const USER_DIGEST: &str = "28e426ad86ca78c8b421ca6d56454afb514c419e9d27042e1babc9220cfb3bd8\
    bad8ad8e63b63237086a4cb77f864ab06adb150f9c50cd5003b2f3b97048fe25";

const NONCE: [u8; 16] = *b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
const AUTH: [u8; 16] = *b"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f";
const SALT: [u8; 16] = *b"\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f";

const SERVER: &str = "server.example";
const CLIENT: &str = "client.example";

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn users(names: &[(&str, &str)]) -> BTreeMap<String, SecretString> {
    names
        .iter()
        .map(|(name, password)| ((*name).to_owned(), secret(password)))
        .collect()
}

/// What the two sides end with, when client and server have these settings.
struct Meeting {
    server_key: SecretString,
    client_key: SecretString,
    users: BTreeMap<String, SecretString>,
    user: Option<(&'static str, SecretString)>,
    client_hostname: &'static str,
}

impl Default for Meeting {
    fn default() -> Self {
        Self {
            server_key: secret("secret"),
            client_key: secret("secret"),
            users: BTreeMap::new(),
            user: None,
            client_hostname: CLIENT,
        }
    }
}

impl Meeting {
    fn run(&self) -> (Result<User, HandshakeError>, Result<(), HandshakeError>) {
        let server = Server::new(SERVER, &self.server_key, &self.users, NONCE, AUTH);
        let user = self.user.as_ref().map(|(name, password)| (*name, password));
        let client = AwaitHelo::new(self.client_hostname, &self.client_key, user, SALT);
        let (ping, client) = client.read_helo(&server.helo()).unwrap();
        match server.check_ping(&ping) {
            Ok((user, pong)) => (Ok(user), client.read_pong(&pong)),
            Err(denied) => (Err(denied.error), client.read_pong(&denied.pong)),
        }
    }
}

fn refused(error: &HandshakeError) -> HandshakeError {
    HandshakeError::Refused {
        reason: error.to_string(),
    }
}

#[test]
fn both_sides_prove_the_shared_key() {
    let (server, client) = Meeting::default().run();
    let user = User {
        hostname: CLIENT.to_owned(),
        name: None,
    };
    assert_eq!((server, client), (Ok(user), Ok(())));
}

#[test]
fn a_user_is_let_in_by_password() {
    let mut meeting = Meeting {
        users: users(&[("alice", "wonder"), ("bob", "builder")]),
        user: Some(("alice", secret("wonder"))),
        ..Meeting::default()
    };
    let (server, client) = meeting.run();
    assert_eq!(server.unwrap().name.as_deref(), Some("alice"));
    assert_eq!(client, Ok(()));

    for wrong in [
        Some(("alice", secret("builder"))),
        Some(("carol", secret("wonder"))),
        // What stands in for the password of a user that is not known must not open the door.
        Some(("carol", secret("secret"))),
        None,
    ] {
        meeting.user = wrong;
        let denied = (HandshakeError::User, Err(refused(&HandshakeError::User)));
        let (server, client) = meeting.run();
        assert_eq!((server.unwrap_err(), client), denied);
    }
}

#[test]
fn a_wrong_key_is_refused() {
    let meeting = Meeting {
        client_key: secret("Secret"),
        ..Meeting::default()
    };
    let (server, client) = meeting.run();
    assert_eq!(server, Err(HandshakeError::SharedKey));
    assert_eq!(client, Err(refused(&HandshakeError::SharedKey)));
}

#[test]
fn a_server_that_does_not_know_the_key_is_refused() {
    let key = secret("secret");
    let wrong = secret("other");
    let nobody = BTreeMap::new();
    let client = AwaitHelo::new(CLIENT, &key, None, SALT);
    let real = Server::new(SERVER, &key, &nobody, NONCE, AUTH);
    let (_, client) = client.read_helo(&real.helo()).unwrap();
    let impostor = Server::new(SERVER, &wrong, &nobody, NONCE, AUTH);
    let (ping, _) = AwaitHelo::new(CLIENT, &wrong, None, SALT)
        .read_helo(&impostor.helo())
        .unwrap();
    let (_, pong) = impostor.check_ping(&ping).unwrap();
    assert_eq!(client.read_pong(&pong), Err(HandshakeError::SharedKey));
}

#[test]
fn whoever_meets_its_own_name_refuses() {
    let meeting = Meeting {
        client_hostname: SERVER,
        ..Meeting::default()
    };
    let own = HandshakeError::OwnHostname {
        hostname: SERVER.to_owned(),
    };
    let (server, client) = meeting.run();
    assert_eq!((server, client), (Err(own.clone()), Err(refused(&own))));

    let key = secret("secret");
    let (_, client) = AwaitHelo::new(CLIENT, &key, None, SALT)
        .read_helo(&golden_helo())
        .unwrap();
    let pong = golden_pong(CLIENT, SERVER_KEY_DIGEST);
    assert!(matches!(
        client.read_pong(&pong),
        Err(HandshakeError::OwnHostname { .. })
    ));
}

/// As Fluentd writes it.
fn golden_helo() -> Vec<u8> {
    let mut helo = b"\x92\xa4HELO\x83\xa5nonce\xc4\x10".to_vec();
    helo.extend_from_slice(&NONCE);
    helo.extend_from_slice(b"\xa4auth\xc4\x10");
    helo.extend_from_slice(&AUTH);
    helo.extend_from_slice(b"\xa9keepalive\xc3");
    helo
}

fn golden_ping(salt_marker: &[u8]) -> Vec<u8> {
    let mut ping = b"\x96\xa4PING\xaeclient.example".to_vec();
    ping.extend_from_slice(salt_marker);
    ping.extend_from_slice(&SALT);
    ping.extend_from_slice(b"\xd9\x80");
    ping.extend_from_slice(CLIENT_KEY_DIGEST.as_bytes());
    ping.extend_from_slice(b"\xa5alice\xd9\x80");
    ping.extend_from_slice(USER_DIGEST.as_bytes());
    ping
}

fn golden_pong(hostname: &str, digest: &str) -> Vec<u8> {
    let mut pong = b"\x95\xa4PONG\xc3\xa0".to_vec();
    write::str(&mut pong, hostname.as_bytes());
    pong.extend_from_slice(b"\xd9\x80");
    pong.extend_from_slice(digest.as_bytes());
    pong
}

#[test]
fn the_bytes_are_those_of_the_protocol() {
    let key = secret("secret");
    let users = users(&[("alice", "wonder")]);
    let server = Server::new(SERVER, &key, &users, NONCE, AUTH);
    assert_eq!(server.helo(), golden_helo());

    let password = secret("wonder");
    let client = AwaitHelo::new(CLIENT, &key, Some(("alice", &password)), SALT);
    let (ping, client) = client.read_helo(&server.helo()).unwrap();
    assert_eq!(ping, golden_ping(b"\xc4\x10"));

    let (_, pong) = server.check_ping(&ping).unwrap();
    assert_eq!(pong, golden_pong(SERVER, SERVER_KEY_DIGEST));
    assert_eq!(client.read_pong(&pong), Ok(()));
}

#[test]
fn a_salt_may_be_a_string_that_is_not_utf8() {
    let key = secret("secret");
    let users = users(&[("alice", "wonder")]);
    let server = Server::new(SERVER, &key, &users, NONCE, AUTH);
    assert!(server.check_ping(&golden_ping(b"\xb0")).is_ok());
}

#[test]
fn a_refusal_is_five_elements_with_its_reason() {
    let key = secret("other");
    let nobody = BTreeMap::new();
    let server = Server::new(SERVER, &key, &nobody, NONCE, AUTH);
    let denied = server.check_ping(&golden_ping(b"\xc4\x10")).unwrap_err();
    assert_eq!(
        denied.pong,
        b"\x95\xa4PONG\xc2\xb3shared key mismatch\xa0\xa0"
    );
}

#[test]
fn a_message_out_of_turn_is_refused() {
    let key = secret("secret");
    let nobody = BTreeMap::new();
    let server = Server::new(SERVER, &key, &nobody, NONCE, AUTH);
    let five = b"\x95\xa4PING\xa0\xa0\xa0\xa0";
    for message in [&golden_helo()[..], b"\xc0", b"\x90", b"\x91\x01", five] {
        let denied = server.check_ping(message).unwrap_err();
        let expected = HandshakeError::Unexpected { expected: "PING" };
        assert_eq!(denied.error, expected);
    }
    let client = AwaitHelo::new(CLIENT, &key, None, SALT);
    let error = client.read_helo(&golden_pong(SERVER, "")).unwrap_err();
    assert_eq!(error, HandshakeError::Unexpected { expected: "HELO" });
}

proptest! {
    #[test]
    fn random_bytes_never_panic_nor_open_the_door(mut bytes: Vec<u8>, from_real: bool, at: usize) {
        let key = secret("secret");
        let users = users(&[("alice", "wonder")]);
        let server = Server::new(SERVER, &key, &users, NONCE, AUTH);
        if from_real {
            let mut real = golden_ping(b"\xc4\x10");
            real.truncate(at % real.len());
            real.extend(&bytes);
            bytes = real;
        }
        if !bytes.starts_with(&golden_ping(b"\xc4\x10")) {
            prop_assert!(server.check_ping(&bytes).is_err());
        }
        let client = AwaitHelo::new(CLIENT, &key, None, SALT);
        let _ = client.read_helo(&bytes);
        let client = AwaitHelo::new(CLIENT, &key, None, SALT);
        let (_, client) = client.read_helo(&golden_helo()).unwrap();
        prop_assert!(client.read_pong(&bytes).is_err());
    }
}
