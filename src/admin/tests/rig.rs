//! A server over a loopback socket, and a client that reads what it answers.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::*;
use super::canned::Canned;
use crate::config::plan::{AdminRole, AdminToken};
use crate::engine::reload::Changes;

pub(super) const READ: &str = "read-0123456789abcdef";
pub(super) const ADMIN: &str = "admin-0123456789abcdef";

pub(super) struct Served {
    pub(super) address: SocketAddr,
    pub(super) inspect: Arc<Canned>,
    pub(super) stop: CancellationToken,
    pub(super) running: tokio::task::JoinHandle<()>,
    pub(super) data_dir: tempfile::TempDir,
}

pub(super) async fn served(inspect: Canned) -> Served {
    served_as(inspect, plan()).await
}

pub(super) fn plan() -> AdminPlan {
    AdminPlan {
        listen: "127.0.0.1:0".parse().unwrap(),
        hosts: vec![],
        tokens: BTreeMap::new(),
        tls: None,
        requests_per_second_max: 1_000,
        metrics_aliases: vec![],
    }
}

/// A plan with a token for each role.
pub(super) fn guarded() -> AdminPlan {
    let token = |role, secret: &str| AdminToken {
        role,
        secret: secret.to_owned().into(),
    };
    let tokens = [
        ("prometheus".to_owned(), token(AdminRole::Read, READ)),
        ("ops".to_owned(), token(AdminRole::Admin, ADMIN)),
    ];
    AdminPlan {
        tokens: tokens.into(),
        ..plan()
    }
}

pub(super) async fn served_as(inspect: Canned, plan: AdminPlan) -> Served {
    let data_dir = tempfile::tempdir().unwrap();
    let server = AdminServer::bind(&plan, data_dir.path(), Clock::start()).await;
    let server = server.unwrap();
    let address = server.local_addr();
    let (inspect, stop) = (Arc::new(inspect), CancellationToken::new());
    let reach = reach(&inspect);
    let running = tokio::spawn(server.run(reach, stop.clone()));
    Served {
        address,
        inspect,
        stop,
        running,
        data_dir,
    }
}

fn reach(canned: &Arc<Canned>) -> Reach {
    let reloaded = Arc::clone(canned);
    Reach {
        inspect: Arc::<Canned>::clone(canned),
        watch: Arc::<Canned>::clone(canned),
        control: Arc::<Canned>::clone(canned),
        reload: Arc::new(move || {
            let reloaded = Arc::clone(&reloaded);
            Box::pin(async move {
                reloaded.note("reload ".to_owned());
                Ok(Changes::default())
            })
        }),
    }
}

/// An answer: status, headers in lower case, body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Served {
    pub(super) async fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head[9..12].parse().unwrap(),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "").await
    }

    /// A request with more lines in its head, each with its end.
    pub(super) async fn request(&self, method: &str, path: &str, lines: &str) -> Answer {
        let head = format!("Host: localhost\r\nConnection: close\r\n{lines}\r\n");
        self.send(&format!("{method} {path} HTTP/1.1\r\n{head}"))
            .await
    }

    pub(super) async fn get_as(&self, path: &str, secret: &str) -> Answer {
        let line = format!("Authorization: Bearer {secret}\r\n");
        self.request("GET", path, &line).await
    }

    pub(super) async fn act(&self, method: &str, path: &str, secret: &str, body: &str) -> Answer {
        let lines = format!(
            "Authorization: Bearer {secret}\r\nContent-Length: {}\r\n",
            body.len()
        );
        let head = format!("Host: localhost\r\nConnection: close\r\n{lines}\r\n");
        self.send(&format!("{method} {path} HTTP/1.1\r\n{head}{body}"))
            .await
    }

    pub(super) fn asked(&self) -> String {
        self.inspect.asked.lock().unwrap().join("|")
    }
}
