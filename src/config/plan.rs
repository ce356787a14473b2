//! What the program needs to know of the configuration: checked, with every default filled in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use forebay_storage::Durability;
use secrecy::{ExposeSecret as _, SecretString};

pub use super::types::OtherPlan;
use crate::decoder::{DecoderPlan, TimeKey};
use crate::event::Record;

mod filter;
mod secrets;

pub use filter::{
    FieldPattern, FilterKind, FilterPlan, GrepPlan, HeartbeatWatchPlan, OnError, ParserPlan,
    RecordTransformerPlan, RewriteRule, RewriteTagPlan, RollupPlan, RouteFilterPlan, WindowPlan,
};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Where everything on disk lives.
    pub data_dir: PathBuf,
    /// How long an orderly stop may take before what is in flight is left for the next start.
    pub stop_timeout: Duration,
    /// The most chunk files that are open at a time; derived from the descriptor limit if absent.
    pub open_files_max: Option<usize>,
    /// Inputs by name.
    pub inputs: BTreeMap<String, InputPlan>,
    /// Filters in the order of the file.
    pub filters: Vec<FilterPlan>,
    /// Routes in the order of the file: the first that matches takes the event.
    pub routes: Vec<RoutePlan>,
    /// Outputs by name; each is named by at least one route.
    pub outputs: BTreeMap<String, OutputPlan>,
    /// The admin API, if it is served.
    pub admin: Option<AdminPlan>,
    /// How logs are written.
    pub log: LogPlan,
}

/// How logs are written.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPlan {
    /// Levels for all or for modules, e.g. `info` or `warn,forebay=debug`.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}

/// The admin API.
#[derive(Clone, Debug, PartialEq)]
pub struct AdminPlan {
    /// Where it listens: on a loopback address, or there are tokens or client certificates.
    pub listen: SocketAddr,
    /// Names that requests may come under, beside `localhost` and addresses; in lower case.
    pub hosts: Vec<String>,
    /// Who is let in, by name; empty: everybody who can connect.
    pub tokens: BTreeMap<String, AdminToken>,
    /// TLS, if the connections are encrypted.
    pub tls: Option<ServerTls>,
    /// Requests a second from one address; at least 1.
    pub requests_per_second_max: u32,
    /// Under whose names metrics are shown, beside their own.
    pub metrics_aliases: Vec<Alias>,
}

/// A program under whose names the metrics are shown, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alias {
    /// Fluent Bit, by the names of its version 2.
    Fluentbit,
}

/// A token that lets somebody in.
#[derive(Clone, Debug)]
pub struct AdminToken {
    /// What it allows.
    pub role: AdminRole,
    /// Visible ASCII characters, at least 16; no other token has the same.
    pub secret: SecretString,
}

impl PartialEq for AdminToken {
    fn eq(&self, other: &Self) -> bool {
        let same = self.secret.expose_secret() == other.secret.expose_secret();
        same && self.role == other.role
    }
}

/// What somebody may do over the admin API; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdminRole {
    /// Look.
    Read,
    /// Act.
    Admin,
}

/// One input.
#[derive(Clone, Debug, PartialEq)]
pub enum InputPlan {
    /// The Fluent forward protocol.
    Forward(ForwardInputPlan),
    /// Events in HTTP requests.
    Http(HttpInputPlan),
    /// Standard input.
    Stdin(StdinInputPlan),
    /// Events that are made up.
    Dummy(DummyInputPlan),
    /// What the daemon itself logs.
    Internal(InternalInputPlan),
    /// Of a type that is not built in.
    Other(OtherPlan),
}

/// An input for the Fluent forward protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardInputPlan {
    /// TCP address (and UDP, for heartbeats).
    pub listen: SocketAddr,
    /// Largest message on the wire, in bytes.
    pub message_size_max: usize,
    /// Largest payload after unpacking, in bytes.
    pub unpacked_size_max: usize,
    /// Most connections open at a time; more wait in the kernel's queue.
    pub connections_max: usize,
    /// Memory for messages that are being read and unpacked, shared by all connections, in bytes;
    /// one message at a time may go beyond it.
    pub read_memory_max: usize,
    /// A connection that sends nothing for this long is closed; `None`: never.
    pub idle_timeout: Option<Duration>,
    /// Shared key and users, if senders must prove who they are.
    pub security: Option<ServerSecurity>,
    /// TLS, if the connections are encrypted.
    pub tls: Option<ServerTls>,
}

/// What a forward input asks of its senders (HELO, PING, PONG).
#[derive(Clone, Debug)]
pub struct ServerSecurity {
    /// Our name in the handshake.
    pub self_hostname: String,
    /// The key that both sides know.
    pub shared_key: SecretString,
    /// Users by name with their passwords; empty: no user authentication.
    pub users: BTreeMap<String, SecretString>,
}

/// The server's side of TLS.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerTls {
    /// PEM file with the certificate chain.
    pub cert_path: PathBuf,
    /// PEM file with the private key.
    pub key_path: PathBuf,
    /// PEM file with the authorities that client certificates must come from; `None`: no client
    /// certificate is asked for.
    pub client_ca_path: Option<PathBuf>,
}

/// The client's side of TLS.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientTls {
    /// PEM file with the authorities to trust; `None`: the system's.
    pub ca_path: Option<PathBuf>,
    /// The name to verify instead of the address's host.
    pub server_name: Option<String>,
    /// Our certificate chain and key, if the server asks for them.
    pub identity: Option<ClientIdentity>,
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientIdentity {
    /// PEM file with the certificate chain.
    pub cert_path: PathBuf,
    /// PEM file with the private key.
    pub key_path: PathBuf,
}

/// An input for events in HTTP requests.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpInputPlan {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Largest body on the wire, in bytes.
    pub body_size_max: usize,
    /// Largest body after unpacking, in bytes.
    pub unpacked_size_max: usize,
    /// Most connections open at a time.
    pub connections_max: usize,
    /// Memory for bodies that are being read and unpacked, shared by all requests, in bytes; one
    /// body at a time may go beyond it.
    pub read_memory_max: usize,
    /// How long a request may be held back before it is answered with 503.
    pub patience: Duration,
    /// TLS, if the connections are encrypted.
    pub tls: Option<ServerTls>,
}

/// An input from standard input.
#[derive(Clone, Debug, PartialEq)]
pub struct StdinInputPlan {
    /// The tag of its events; not empty.
    pub tag: String,
    /// What makes records of the lines.
    pub decoder: DecoderPlan,
    /// Where the time stands in what the decoder gives.
    pub time_key: Option<TimeKey>,
    /// Longest line, in bytes; a longer one becomes several events.
    pub line_size_max: usize,
}

/// An input that makes events up.
#[derive(Clone, Debug, PartialEq)]
pub struct DummyInputPlan {
    /// The tag of its events; not empty.
    pub tag: String,
    /// Events a second; more than 0.
    pub rate: f64,
    /// What each has.
    pub record: Record,
    /// A field that numbers them from 0.
    pub counter: Option<String>,
    /// How many there are; `None`: they never end.
    pub count: Option<u64>,
}

/// An input of what the daemon itself logs.
#[derive(Clone, Debug, PartialEq)]
pub struct InternalInputPlan {
    /// What its events' tags begin with; not empty.
    pub tag: String,
    /// The least important lines that become events.
    pub level: LogLevel,
    /// The routes that take these events: what is logged about them becomes no event.
    pub own_routes: Vec<String>,
    /// The outputs of those routes, of which the same holds.
    pub own_outputs: Vec<String>,
}

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something is lost or does not work.
    Error,
    /// Something is wrong.
    Warn,
    /// Something has happened.
    Info,
}

impl LogLevel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warn, Self::Info];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }
}

/// One route.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutePlan {
    /// Its name; also the name of its directory.
    pub name: String,
    /// Which tags it takes.
    pub matcher: crate::route::TagMatcher,
    /// How it groups, keeps and flushes.
    pub buffer: BufferPlan,
    /// Whether the user wrote that, so that outputs that could be driven without a buffer are
    /// driven with it.
    pub has_buffer_section: bool,
    /// Names of its outputs; not empty, at most 12.
    pub outputs: Vec<String>,
    /// Name of the output for what those do not take; not one of them.
    pub secondary: Option<String>,
}

/// How a route groups, keeps and flushes its events.
#[derive(Clone, Debug, PartialEq)]
pub struct BufferPlan {
    /// What groups events into chunks.
    pub keys: crate::chunk_key::KeySpec,
    /// How long after its end a time window still takes late events.
    pub timekey_wait: Duration,
    /// What an acknowledgement means.
    pub durability: Durability,
    /// When chunks are flushed.
    pub flush_mode: FlushMode,
    /// The age at which a chunk is flushed in interval mode.
    pub flush_interval: Duration,
    /// Whether an orderly stop seals and delivers what is staged.
    pub flush_at_shutdown: bool,
    /// Most bytes of events in one chunk.
    pub chunk_limit_size: u64,
    /// Most events in one chunk.
    pub chunk_limit_records: Option<u64>,
    /// The part of a limit at which a chunk counts as full, in (0, 1].
    pub chunk_full_threshold: f64,
    /// Most bytes of the route on disk.
    pub total_limit_size: u64,
    /// What happens to a sender when that is reached.
    pub overflow: Overflow,
    /// How long batches are remembered, so that a repeat is not stored twice; `None`: not at all.
    pub deduplicate: Option<DeduplicatePlan>,
    /// Most bytes of the route's dead letters on disk.
    pub dead_letter_limit_size: u64,
    /// How long a dead letter is kept; `None`: until somebody deletes it.
    pub dead_letter_max_age: Option<Duration>,
    /// What happens when there is no room for another dead letter.
    pub dead_letter_overflow: DeadLetterOverflow,
    /// Deliveries in flight for each destination.
    pub max_concurrent: usize,
    /// After which time a deferred delivery that has not been resolved is rolled back.
    pub delayed_commit_timeout: Duration,
    /// A delivery that takes longer than this is logged.
    pub slow_flush_log_threshold: Duration,
    /// When a failed delivery is tried again.
    pub retry: RetryPlan,
    /// The share of a chunk's time for retries after which it goes to the secondary output, in
    /// (0, 1).
    pub secondary_threshold: f64,
    /// Whether a chunk that a destination does not take is cut up until the records that it does
    /// not take stand alone.
    pub bisect: bool,
    /// What becomes of a chunk whose retries are spent.
    pub on_exhausted: GivenUp,
    /// How long a sealed chunk may wait for its destinations; `None`: for ever.
    pub max_age: Option<Duration>,
    /// What becomes of it then.
    pub on_expired: GivenUp,
    /// Which chunks are delivered one after the other.
    pub ordered: Ordered,
}

/// What happens when there is no room for another dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterOverflow {
    /// What is to be kept waits where it is: chunks in their route, malformed events at the sender.
    Block,
    /// The oldest dead letters are deleted, and counted.
    DropOldest,
}

/// What becomes of what is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenUp {
    /// It is kept as a dead letter.
    DeadLetter,
    /// It is deleted, and counted.
    Drop,
}

/// Which chunks are delivered one after the other to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordered {
    /// None.
    None,
    /// Those with the same chunk key.
    Key,
}

/// How long batches are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeduplicatePlan {
    /// For this long after they were stored.
    pub window: Duration,
    /// And no more of them than this; a batch that is split over several chunks counts for each.
    pub batches_max: usize,
}

/// When chunks are flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushMode {
    /// At the size or count limit, or when the time window is over.
    Lazy,
    /// As lazy, and at the age of `flush_interval`.
    Interval,
    /// After each append.
    Immediate,
}

/// What happens to a sender when a route is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It is held back until there is room.
    Block,
    /// It is refused.
    Reject,
    /// The oldest sealed chunk is deleted, and counted.
    DropOldestChunk,
}

/// When a failed delivery is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPlan {
    /// How waits grow.
    pub kind: RetryKind,
    /// The first wait, and every wait of the periodic kind.
    pub wait: Duration,
    /// By what a wait grows each time.
    pub exponential_base: f64,
    /// The longest wait, before randomisation.
    pub max_interval: Duration,
    /// Each wait is multiplied by a random factor in `[1 - r, 1 + r]`; 0 for none.
    pub randomization: f64,
    /// How long after its first failure a chunk is given up; ignored if `forever`.
    pub timeout: Duration,
    /// After how many retries a chunk is given up; ignored if `forever`.
    pub max_times: Option<u32>,
    /// Never given up.
    pub forever: bool,
}

/// How waits between retries grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryKind {
    /// Each wait is the one before times the base.
    ExponentialBackoff,
    /// All waits are alike.
    Periodic,
}

/// One output.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputPlan {
    /// To servers that speak the Fluent forward protocol.
    Forward(ForwardOutputPlan),
    /// To an HTTP server.
    Http(HttpOutputPlan),
    /// To files.
    File(FileOutputPlan),
    /// To standard output.
    Stdout(StdoutOutputPlan),
    /// To nowhere: every chunk is confirmed at once.
    Null(NullOutputPlan),
    /// Of a type that is not built in.
    Other(OtherPlan),
}

/// An output to servers that speak the Fluent forward protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct ForwardOutputPlan {
    /// The servers; not empty.
    pub servers: Vec<ForwardServer>,
    /// How long a connection attempt, with its handshake, may take.
    pub connect_timeout: Duration,
    /// How long the other side may take to read what we send.
    pub send_timeout: Duration,
    /// How long an acknowledgement may take.
    pub ack_timeout: Duration,
    /// Whether the server acknowledges; if not, written to the socket counts as delivered.
    pub require_ack: bool,
    /// How payloads are packed.
    pub compress: Compression,
    /// Shared key and user, if the server asks for them.
    pub security: Option<ClientSecurity>,
    /// TLS, if the connections are encrypted.
    pub tls: Option<ClientTls>,
    /// The tag to send instead of the events' own, with placeholders resolved by chunk key.
    pub tag: Option<crate::placeholder::Template>,
}

/// One server of a forward output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardServer {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Its share of the chunks among the servers that are up; 0: never.
    pub weight: u32,
    /// Used only while a server that is not standby is away.
    pub standby: bool,
}

/// What a forward output proves to its servers.
#[derive(Clone, Debug)]
pub struct ClientSecurity {
    /// Our name in the handshake.
    pub self_hostname: String,
    /// The key that both sides know.
    pub shared_key: SecretString,
    /// User name and password, if the server asks for them.
    pub user: Option<(String, SecretString)>,
}

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// An output to an HTTP server.
#[derive(Clone, Debug)]
pub struct HttpOutputPlan {
    /// Where to post to, with placeholders.
    pub url: crate::placeholder::Template,
    /// `POST` or `PUT`.
    pub method: HttpMethod,
    /// The body's format.
    pub format: HttpFormat,
    /// How the body is packed.
    pub compress: Compression,
    /// Headers to send with each request; values are kept secret in logs.
    pub headers: Vec<(String, SecretString)>,
    /// How long a connection attempt may take.
    pub connect_timeout: Duration,
    /// How long a whole request may take.
    pub request_timeout: Duration,
    /// TLS settings; used if the URL says `https`.
    pub tls: ClientTls,
    /// Whether it is driven by chunks where both are possible; if not, the sender waits for the
    /// server's answer.
    pub buffered: bool,
}

/// The method of an HTTP output's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}

/// The body's format in an HTTP output's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpFormat {
    /// One JSON object a line.
    Ndjson,
    /// One JSON array of objects.
    JsonArray,
    /// MessagePack entries back to back, as stored.
    Msgpack,
}

/// An output to files.
#[derive(Clone, Debug, PartialEq)]
pub struct FileOutputPlan {
    /// The file's path, with placeholders.
    pub path: crate::placeholder::Template,
    /// Add to one file, or write one file a chunk (its id goes before the extension).
    pub append: bool,
    /// What is written for each event.
    pub format: FileFormat,
    /// How the bytes are packed; each append is a member of its own.
    pub compress: Compression,
}

/// What a file or standard output gets for each event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// One JSON object a line, with `time` and `tag` if named.
    Ndjson,
    /// The record alone, one JSON object a line.
    Json,
    /// The named fields, comma-separated, quoted where needed.
    Csv {
        /// Fields in the order of the columns.
        fields: Vec<String>,
    },
    /// `label:value` pairs separated by tabs.
    Ltsv,
    /// MessagePack entries back to back, as stored.
    Msgpack,
}

/// An output to standard output.
#[derive(Clone, Debug, PartialEq)]
pub struct StdoutOutputPlan {
    /// What is written for each event.
    pub format: FileFormat,
    /// Whether it is driven by chunks where both are possible; if not, the sender waits for the
    /// write.
    pub buffered: bool,
}

/// An output to nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NullOutputPlan {
    /// Whether it is driven by chunks where both are possible.
    pub buffered: bool,
}
