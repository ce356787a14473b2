//! A client of the admin API, for the commands that look at a running daemon, or act on it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::secret::{SecretError, secret};
use super::tls::TlsArgs;
use crate::config;
use crate::config::plan::{AdminPlan, AdminRole};
use crate::output::http::{OpenError, client};
use crate::registry::Registry;
use crate::telemetry;

mod stream;

pub(super) use stream::{Message, Stream};

/// The environment variable with the token.
const TOKEN_VARIABLE: &str = "FOREBAY_TOKEN";

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an answer may take that is not a stream.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an action may take; the daemon itself gives it half a minute, and says so then.
const ACTION_TIMEOUT: Duration = Duration::from_secs(40);

/// Most bytes of an answer's text that are shown.
const EXCERPT_SIZE_MAX: usize = 300;

/// Which daemon, and who asks.
#[derive(Debug, clap::Args)]
pub(super) struct ApiArgs {
    /// Where the daemon's admin API is.
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "config",
        default_value = "http://127.0.0.1:2020"
    )]
    api: Url,
    /// The daemon's configuration file, which says where its admin API is.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File with the token; else it is taken from FOREBAY_TOKEN, or from the configuration.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    tls: TlsArgs,
}

/// A client of one daemon.
pub(super) struct Api {
    client: reqwest::Client,
    url: Url,
    token: Option<SecretString>,
}

/// Why the daemon's admin API gave no answer, or none that helps.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has no admin API.
    #[error("{} has no section `admin`, so that there is nothing to ask", path.display())]
    NoAdmin {
        /// The configuration.
        path: PathBuf,
    },
    /// There is no valid configuration.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The token cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Certificates cannot be used.
    #[error(transparent)]
    Client(#[from] OpenError),
    /// Nobody answers.
    #[error("no answer from {url}: {reason}; is the daemon running, with `admin.listen` there?")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// It is not for us.
    #[error("not allowed: {what}; give a token by --token-file or {TOKEN_VARIABLE}")]
    NotAllowed {
        /// In the daemon's words.
        what: String,
    },
    /// There is no such thing.
    #[error("{what}")]
    NotThere {
        /// In the daemon's words.
        what: String,
    },
    /// What there is does not allow it.
    #[error("{what}")]
    Forbidden {
        /// In the daemon's words.
        what: String,
    },
    /// Another refusal.
    #[error("the daemon answered {status}: {what}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// In the daemon's words.
        what: String,
    },
    /// Whatever answers is no Forebay.
    #[error("what answers at {url} is no admin API of Forebay")]
    Foreign {
        /// Where.
        url: String,
    },
}

impl Error {
    /// The exit code that the help text gives for this.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Forbidden { .. } => 1,
            Self::NotThere { .. } => 66,
            Self::Unreachable { .. } | Self::Refused { .. } | Self::Foreign { .. } => 69,
            Self::Secret(_) | Self::Client(_) | Self::Config(config::Error::Unreadable { .. }) => {
                74
            }
            Self::NotAllowed { .. } => 77,
            Self::NoAdmin { .. } | Self::Config(config::Error::Invalid(_)) => 78,
        }
    }
}

impl Api {
    /// A client that looks, as `args` say. Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error`].
    pub(super) fn new(args: &ApiArgs, registry: &Registry) -> Result<Self, Error> {
        Self::with_role(AdminRole::Read, args, registry)
    }

    /// A client that acts, as `args` say. Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error`].
    pub(super) fn to_act(args: &ApiArgs, registry: &Registry) -> Result<Self, Error> {
        Self::with_role(AdminRole::Admin, args, registry)
    }

    fn with_role(role: AdminRole, args: &ApiArgs, registry: &Registry) -> Result<Self, Error> {
        let mut token = secret(args.token_file.as_deref(), TOKEN_VARIABLE)?;
        let url = match &args.config {
            None => args.api.clone(),
            Some(path) => {
                let plan = config::load(path, registry)?;
                let admin = plan
                    .admin
                    .ok_or_else(|| Error::NoAdmin { path: path.clone() })?;
                token = token.or_else(|| weakest_token(&admin, role));
                url_of(&admin)
            }
        };
        let tls = args.tls.plan();
        let tls = (url.scheme() == "https").then_some(&tls);
        Ok(Self {
            client: client(tls, CONNECT_TIMEOUT, None)?,
            url,
            token,
        })
    }

    /// Where it is.
    pub(super) fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// The JSON at `path` under `/api/v1/`.
    ///
    /// # Errors
    /// [`Error`].
    pub(super) async fn get(&self, path: &[&str]) -> Result<Value, Error> {
        let request = self.client.get(self.at(path));
        self.json(request, ANSWER_TIMEOUT).await
    }

    /// What comes of the action at `path` under `/api/v1/`, with `body`.
    ///
    /// # Errors
    /// [`Error`].
    pub(super) async fn post(&self, path: &[&str], body: Option<&Value>) -> Result<Value, Error> {
        let mut request = self.client.post(self.at(path));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json");
            request = request.body(body.to_string());
        }
        self.json(request, ACTION_TIMEOUT).await
    }

    /// The stream of messages at `path` under `/api/v1/`, with `query`.
    ///
    /// # Errors
    /// [`Error`].
    pub(super) async fn stream(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Stream, Error> {
        let mut url = self.at(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(Stream::new(self.ask(self.client.get(url)).await?))
    }

    /// The address of `path`, each part of which may hold whatever a name may.
    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        url
    }

    async fn json(&self, request: RequestBuilder, within: Duration) -> Result<Value, Error> {
        let answer = async {
            let response = self.ask(request).await?;
            let text = response.bytes().await;
            let text = text.map_err(|error| self.lost(error))?;
            serde_json::from_slice(&text).map_err(|_| self.foreign())
        };
        let timed_out = || self.unreachable(format!("nothing within {within:?}"));
        let answer = tokio::time::timeout(within, answer).await;
        answer.unwrap_or_else(|_| Err(timed_out()))
    }

    async fn ask(&self, mut request: RequestBuilder) -> Result<Response, Error> {
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
        }
        let response = request.send().await.map_err(|error| self.lost(error))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(refusal(status, response.text().await.unwrap_or_default())),
        }
    }

    /// The connection was lost, or there was none.
    pub(super) fn lost(&self, error: reqwest::Error) -> Error {
        self.unreachable(telemetry::reason(&error.without_url()))
    }

    fn unreachable(&self, reason: String) -> Error {
        Error::Unreachable {
            url: self.url().to_owned(),
            reason,
        }
    }

    fn foreign(&self) -> Error {
        Error::Foreign {
            url: self.url().to_owned(),
        }
    }
}

/// What a refusal means; the daemon's are problem documents.
fn refusal(status: StatusCode, text: String) -> Error {
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    let said = ["detail", "title"].map(|name| problem[name].as_str());
    let what = match said.into_iter().flatten().next() {
        Some(said) => said.to_owned(),
        None => text.chars().take(EXCERPT_SIZE_MAX).collect(),
    };
    let reasons = problem["reasons"].as_array().into_iter().flatten();
    let reasons = reasons.filter_map(Value::as_str);
    let what = reasons.fold(what, |what, reason| format!("{what}\n  because: {reason}"));
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::NotAllowed { what },
        StatusCode::NOT_FOUND => Error::NotThere { what },
        StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => Error::Forbidden { what },
        status => Error::Refused { status, what },
    }
}

/// Whoever can read the configuration has its tokens; the least of them that may do it will do.
fn weakest_token(admin: &AdminPlan, role: AdminRole) -> Option<SecretString> {
    let tokens = admin.tokens.values().filter(|token| token.role >= role);
    let weakest = tokens.min_by_key(|token| token.role);
    weakest.map(|token| token.secret.clone())
}

/// Where the daemon of this configuration can be asked, from the same machine.
fn url_of(admin: &AdminPlan) -> Url {
    let ip = match admin.listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let scheme = if admin.tls.is_some() { "https" } else { "http" };
    let address = SocketAddr::new(ip, admin.listen.port());
    let url = Url::parse(&format!("{scheme}://{address}"));
    url.unwrap_or_else(|_| unreachable!("an address is a URL's host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_listens_everywhere_is_asked_here() {
        let text = "data_dir: d\ninputs: {i: {type: dummy}}\noutputs: {o: {type: 'null'}}\nroutes: \
                    {r: {match: '**', to: o}}\nadmin: {listen: '0.0.0.0:2021', tokens: {a: {role: admin, \
                    secret: aaaaaaaaaaaaaaaaaaaa}, r: {role: read, secret: rrrrrrrrrrrrrrrrrrrr}}}\n";
        let plan = config::load_str("f", text, &config::System).unwrap();
        let admin = plan.admin.unwrap();
        assert_eq!(url_of(&admin).as_str(), "http://127.0.0.1:2021/");
        for (role, secret) in [
            (AdminRole::Read, "rrrrrrrrrrrrrrrrrrrr"),
            (AdminRole::Admin, "aaaaaaaaaaaaaaaaaaaa"),
        ] {
            let token = weakest_token(&admin, role).unwrap();
            assert_eq!(token.expose_secret(), secret);
        }
    }

    #[test]
    fn refusals_are_told_in_the_daemons_words() {
        let problem = r#"{"title": "Not Found", "detail": "there is no route `x`"}"#;
        let error = refusal(StatusCode::NOT_FOUND, problem.to_owned());
        assert_eq!(
            (error.to_string().as_str(), error.exit_code()),
            ("there is no route `x`", 66)
        );
        let problem = r#"{"detail": "not valid", "reasons": ["line 1", "line 2"]}"#;
        let error = refusal(StatusCode::CONFLICT, problem.to_owned());
        assert_eq!(
            (error.to_string().as_str(), error.exit_code()),
            ("not valid\n  because: line 1\n  because: line 2", 1)
        );
        let error = refusal(StatusCode::FORBIDDEN, "no".to_owned());
        assert_eq!(error.exit_code(), 77);
        assert!(error.to_string().contains("FOREBAY_TOKEN"), "{error}");
    }
}
