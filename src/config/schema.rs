//! What the user writes: every setting with its names, nothing filled in, nothing checked but that
//! each value is of the right kind.
//!
//! Names and meanings follow Fluentd's wherever the meaning is the same; a name after `or` is
//! another one that the setting goes by. What is missing gets its default in `convert`.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::decode::{FromNode, Named, OneOrMany, Size, Table, choices, tables, tables_by_type};
use super::describe::{Described, choice, merged};
use super::error::{At, Position, Problems};
use super::node::{Kind, Node};
use super::plan::{
    AdminRole, Alias, Compression, DeadLetterOverflow, Durability, FlushMode, GivenUp, HttpFormat,
    HttpMethod, LogLevel, Ordered, Overflow, RetryKind,
};

pub(super) mod filter;

tables! {
    /// The whole file.
    Config {
        /// Where everything on disk lives; only one daemon at a time can use it.
        data_dir: String,
        /// How long an orderly stop may take before what is in flight is left for the next start.
        stop_timeout: Duration = "10s",
        /// The most chunk files that are open at a time; derived from the descriptor limit if absent.
        open_files_max: usize,
        /// Where events come from, by names of your choice.
        inputs: Named<Input>,
        /// What events pass before they are routed, in this order.
        filters: Named<filter::Filter>,
        /// Which events are kept how and sent where; the first that matches takes an event.
        routes: Named<Route>,
        /// Where events go, by names of your choice; each must be in the `to` of a route.
        outputs: Named<Output>,
        /// The admin API, if it is to be served.
        admin: Admin,
        /// How logs are written.
        log: Log,
    }

    /// The admin API.
    Admin {
        /// Where it listens; on an address that others reach it needs `tokens`, or `tls` with `client_ca_path`.
        listen: SocketAddr = "127.0.0.1:2020",
        /// Names that requests may come under, beside `localhost` and the addresses of this server.
        hosts: OneOrMany<String>,
        /// Who is let in, by names of your choice; without any, everybody who can connect.
        tokens: Named<AdminToken>,
        /// TLS, if connections are to be encrypted.
        tls: ServerTls,
        /// Requests a second from one address, after a burst of three times as many.
        requests_per_second_max: u32 = "100",
        /// What `/metrics` shows.
        metrics: AdminMetrics,
    }

    /// What `/metrics` shows.
    AdminMetrics {
        /// Whose names metrics are shown under, beside their own, for dashboards that know them.
        aliases: OneOrMany<Alias>,
    }

    /// A token that lets somebody in.
    AdminToken {
        /// What it allows: to read, or also to act.
        role: AdminRole = "read",
        /// What is sent as `Authorization: Bearer <secret>`; at least 16 characters.
        secret: SecretString,
    }

    /// How logs are written.
    Log {
        /// What is logged, such as `info` or `warn,forebay=debug`.
        filter or "level": String = "info",
        /// What a line looks like.
        format: LogFormat = "text",
    }

    /// An input for the Fluent forward protocol.
    ForwardInput {
        /// TCP address, and UDP for heartbeats.
        listen: SocketAddr = "127.0.0.1:24224",
        /// Largest message on the wire.
        message_size_max or "chunk_size_limit": Size = "64MiB",
        /// Largest payload after unpacking.
        unpacked_size_max or "decompression_size_limit": Size = "256MiB",
        /// Most connections open at a time.
        connections_max: usize = "1024",
        /// Memory for messages that are being read, shared by all connections.
        read_memory_max: Size = "32MiB",
        /// A connection that sends nothing for this long is closed; without it, none is.
        idle_timeout: Duration,
        /// What senders must prove.
        security: InputSecurity,
        /// TLS, if connections are to be encrypted.
        tls: ServerTls,
    }

    /// What a forward input asks of its senders.
    InputSecurity {
        /// Our name in the handshake.
        self_hostname: String,
        /// The key that both sides know.
        shared_key: SecretString,
        /// Users by name with their passwords; without any, users are not asked for.
        users: Named<SecretString>,
    }

    /// An input for events in HTTP requests.
    HttpInput {
        /// Where it listens.
        listen: SocketAddr = "127.0.0.1:9880",
        /// Largest body on the wire.
        body_size_max or "body_size_limit": Size = "32MiB",
        /// Largest body after unpacking.
        unpacked_size_max or "decompression_size_limit": Size = "256MiB",
        /// Most connections open at a time.
        connections_max: usize = "1024",
        /// Memory for bodies that are being read, shared by all requests.
        read_memory_max: Size = "64MiB",
        /// How long a request may be held back before it is answered with 503.
        patience: Duration = "5s",
        /// TLS, if connections are to be encrypted.
        tls: ServerTls,
    }

    /// What an input from standard input has beside its decoder.
    StdinLines {
        /// The tag of its events.
        tag: String = "stdin",
        /// Longest line; a longer one becomes several events.
        line_size_max: Size = "1MiB",
    }

    /// An input that makes events up.
    DummyInput {
        /// The tag of its events.
        tag: String = "dummy",
        /// Events a second.
        rate: f64 = "1",
        /// What each has, as the text of a JSON object.
        record or "dummy": String = "\"{\\\"message\\\":\\\"dummy\\\"}\"",
        /// A field that numbers the events from 0; without it, there is none.
        counter or "auto_increment_key": String,
        /// How many events there are; without it, they never end.
        count or "samples": u64,
    }

    /// An input of what the daemon itself logs.
    InternalInput {
        /// What its events' tags begin with; the level follows, as in `forebay.warn`.
        tag: String = "forebay",
        /// The least important lines that become events.
        level: LogLevel = "warn",
    }

    /// The server's side of TLS.
    ServerTls {
        /// PEM file with the certificate chain.
        cert_path: String,
        /// PEM file with the private key.
        key_path or "private_key_path": String,
        /// PEM file with the authorities that client certificates must come from; without it, none is asked for.
        client_ca_path: String,
    }

    /// One route.
    Route {
        /// Patterns of the tags that it takes: `*` is one part, `**` any number.
        r#match: OneOrMany<String>,
        /// How it groups, keeps and flushes its events.
        buffer: Buffer,
        /// The outputs that its events go to.
        to: OneOrMany<String>,
        /// The output that what those do not take goes to.
        secondary: String,
    }

    /// How a route groups, keeps and flushes its events.
    Buffer {
        /// What groups events into chunks: any of `tag`, `time`, and fields of the record.
        keys or "chunk_keys": OneOrMany<String> = "[\"tag\"]",
        /// How long a time window is; `time` among the keys needs it.
        timekey: Duration,
        /// How long after its end a time window still takes late events; 10 minutes if `time` is a key.
        timekey_wait: Duration,
        /// The zone of the time windows; the system's if absent.
        timekey_zone: String,
        /// Whether the zone of the time windows is UTC.
        timekey_use_utc: bool,
        /// What an acknowledgement means: synced, or written to the page cache.
        durability: Durability = "disk",
        /// When chunks are flushed; `lazy` if `time` is a key, else `interval`.
        flush_mode: FlushMode,
        /// The age at which a chunk is flushed in mode `interval`.
        flush_interval: Duration = "1s",
        /// Whether an orderly stop delivers what is staged.
        flush_at_shutdown: bool = "false",
        /// Most bytes of events in one chunk.
        chunk_limit_size: Size = "8MiB",
        /// Most events in one chunk.
        chunk_limit_records: u64,
        /// The part of a limit at which a chunk counts as full.
        chunk_full_threshold: f64 = "0.95",
        /// Most bytes of the route on disk.
        total_limit_size: Size = "10GiB",
        /// What happens to senders when the route is full.
        overflow or "overflow_action": Overflow = "block",
        /// Most bytes of the route's dead letters on disk.
        dead_letter_limit_size: Size = "1GiB",
        /// How long a dead letter is kept; for ever if absent.
        dead_letter_max_age: Duration,
        /// What happens when there is no room for another dead letter.
        dead_letter_overflow: DeadLetterOverflow = "block",
        /// How long batches are remembered, so that a repeat is not stored twice.
        deduplicate: Deduplicate = "on",
        /// Deliveries in flight for each output.
        max_concurrent or "flush_thread_count": usize = "16",
        /// After which time a delivery that an output has not resolved is taken back.
        delayed_commit_timeout: Duration = "60s",
        /// A delivery that takes longer than this is logged.
        slow_flush_log_threshold: Duration = "20s",
        /// How waits between retries grow.
        retry_type: RetryKind = "exponential_backoff",
        /// The first wait, and every wait of the periodic kind.
        retry_wait: Duration = "1s",
        /// By what a wait grows each time.
        retry_exponential_backoff_base: f64 = "2",
        /// The longest wait, before randomisation.
        retry_max_interval or "max_retry_interval": Duration = "60s",
        /// Whether waits are randomised.
        retry_randomize: bool = "true",
        /// Each wait is multiplied by a random factor between 1 minus this and 1 plus this.
        retry_randomization_factor: f64 = "0.125",
        /// How long after its first failure a chunk is given up; 72 hours if only other limits are set.
        retry_timeout or "max_elapsed_time": Duration,
        /// After how many retries a chunk is given up.
        retry_max_times: u32,
        /// Never give up; this holds if there is neither `retry_timeout` nor `retry_max_times`.
        retry_forever: bool,
        /// The share of a chunk's time for retries after which the secondary output is used.
        retry_secondary_threshold: f64 = "0.8",
        /// Whether a chunk that an output does not take is cut up until the bad records stand alone.
        bisect: bool = "true",
        /// What becomes of a chunk whose retries are spent.
        on_exhausted: GivenUp = "dead_letter",
        /// How long a sealed chunk may wait for its outputs; for ever if absent.
        max_age: Duration,
        /// What becomes of it then.
        on_expired: GivenUp = "dead_letter",
        /// Which chunks are delivered one after the other.
        ordered: Ordered = "none",
    }

    /// How long batches are remembered, as a table.
    DeduplicateTable {
        /// For how long after they were stored.
        window: Duration = "10m",
        /// How many at most.
        batches_max: usize = "100000",
    }

    /// An output to servers that speak the Fluent forward protocol.
    ForwardOutput {
        /// The servers, as `host:port` or as tables.
        servers: OneOrMany<Server>,
        /// How long a connection attempt, with its handshake, may take.
        connect_timeout: Duration = "10s",
        /// How long the server may take to read what is sent.
        send_timeout: Duration = "60s",
        /// How long an acknowledgement may take.
        ack_timeout or "ack_response_timeout": Duration = "60s",
        /// Whether the server acknowledges; if not, written to the socket counts as delivered.
        require_ack or "require_ack_response": bool = "true",
        /// How payloads are packed.
        compress: Compression = "none",
        /// What is proven to the servers.
        security: OutputSecurity,
        /// TLS, if connections are to be encrypted.
        tls: ClientTls,
        /// The tag to send instead of the events' own, with placeholders.
        tag: String,
    }

    /// A server as a table.
    ServerTable {
        /// `host:port`, or `host` for port 24224.
        address: String,
        /// Its share of the chunks among the servers that are up; 0 for none.
        weight: u32 = "60",
        /// Whether it is used only while one that is not standby is away.
        standby: bool = "false",
    }

    /// What a forward output proves to its servers.
    OutputSecurity {
        /// Our name in the handshake.
        self_hostname: String,
        /// The key that both sides know.
        shared_key: SecretString,
        /// Our user name.
        username: String,
        /// Our password.
        password: SecretString,
    }

    /// The client's side of TLS.
    ClientTls {
        /// PEM file with the authorities to trust; the system's if absent.
        ca_path: String,
        /// The name to verify instead of the address's host.
        server_name: String,
        /// PEM file with our certificate chain, if the server asks for one.
        cert_path: String,
        /// PEM file with its private key.
        key_path or "private_key_path": String,
    }

    /// An output to an HTTP server.
    HttpOutput {
        /// Where to send to, with placeholders.
        url or "endpoint": String,
        /// The method of requests.
        method or "http_method": HttpMethod = "post",
        /// The body's format.
        format: HttpFormat = "ndjson",
        /// How the body is packed.
        compress: Compression = "none",
        /// Headers to send with each request.
        headers: Named<SecretString>,
        /// How long a connection attempt may take.
        connect_timeout: Duration = "10s",
        /// How long a whole request may take.
        request_timeout: Duration = "30s",
        /// TLS settings, used if the URL says `https`.
        tls: ClientTls,
        /// If false, in a route without `buffer`, senders wait for the server's answer to their batch.
        buffered: bool = "true",
    }

    /// An output to files.
    FileOutput {
        /// Where to write to, with placeholders.
        path: String,
        /// Whether chunks share a file; if not, each has its own, with its id in the name.
        append: bool = "true",
        /// What is written for each event.
        format: FileFormat = "ndjson",
        /// The columns of `csv`, in their order.
        fields: OneOrMany<String>,
        /// How the file is packed.
        compress: Compression = "none",
    }

    /// An output to standard output.
    StdoutOutput {
        /// What is written for each event.
        format: FileFormat = "ndjson",
        /// The columns of `csv`, in their order.
        fields: OneOrMany<String>,
        /// If false, in a route without `buffer`, senders wait until their batch is written.
        buffered: bool = "true",
    }

    /// An output to nowhere.
    NullOutput {
        /// If false, in a route without `buffer`, nothing is stored.
        buffered: bool = "true",
    }
}

tables_by_type! {
    /// One input.
    Input {
        "forward" => Forward(ForwardInput),
        "http" => Http(HttpInput),
        "stdin" => Stdin(StdinInput),
        "dummy" => Dummy(DummyInput),
        "internal" => Internal(InternalInput),
    }

    /// One output.
    Output {
        "forward" => Forward(ForwardOutput),
        "http" => Http(HttpOutput),
        "file" => File(FileOutput),
        "stdout" => Stdout(StdoutOutput),
        "null" => Null(NullOutput),
    }
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// An input from standard input.
#[derive(Debug)]
pub(super) struct StdinInput {
    pub(super) lines: StdinLines,
    pub(super) decoder: filter::Decoder,
}

impl StdinInput {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Self {
        Self {
            lines: StdinLines::read(table, problems),
            decoder: filter::Decoder::read(table, problems),
        }
    }
}

impl Described for StdinInput {
    fn describe() -> Value {
        merged(&[filter::Decoder::describe(), StdinLines::describe()])
    }
}

/// What is written for each event; the fields of `csv` stand beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    Ndjson,
    Json,
    Csv,
    Ltsv,
    Msgpack,
}

/// Whether something is done at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    On,
    Off,
}

choices! {
    Switch {
        "on" => Self::On,
        "off" => Self::Off,
    }
    AdminRole {
        "read" => Self::Read,
        "admin" => Self::Admin,
    }
    Alias {
        "fluentbit" => Self::Fluentbit,
    }
    LogFormat {
        "text" => Self::Text,
        "json" => Self::Json,
    }
    LogLevel {
        "error" => Self::Error,
        "warn" => Self::Warn,
        "info" => Self::Info,
    }
    FileFormat {
        "ndjson" => Self::Ndjson,
        "json" => Self::Json,
        "csv" => Self::Csv,
        "ltsv" => Self::Ltsv,
        "msgpack" => Self::Msgpack,
    }
    Durability {
        "disk" => Self::Disk,
        "memory" => Self::Memory,
    }
    FlushMode {
        "lazy" => Self::Lazy,
        "interval" => Self::Interval,
        "immediate" => Self::Immediate,
    }
    Overflow {
        "block" => Self::Block,
        "reject" => Self::Reject,
        "throw_exception" => Self::Reject,
        "drop_oldest_chunk" => Self::DropOldestChunk,
    }
    DeadLetterOverflow {
        "block" => Self::Block,
        "drop_oldest" => Self::DropOldest,
    }
    GivenUp {
        "dead_letter" => Self::DeadLetter,
        "drop" => Self::Drop,
    }
    Ordered {
        "none" => Self::None,
        "key" => Self::Key,
    }
    RetryKind {
        "exponential_backoff" => Self::ExponentialBackoff,
        "periodic" => Self::Periodic,
    }
    Compression {
        "none" => Self::None,
        "text" => Self::None,
        "gzip" => Self::Gzip,
        "zstd" => Self::Zstd,
    }
    HttpMethod {
        "post" => Self::Post,
        "put" => Self::Put,
    }
    HttpFormat {
        "ndjson" => Self::Ndjson,
        "json_array" => Self::JsonArray,
        "msgpack" => Self::Msgpack,
    }
}

impl Output {
    /// Where it says that it is not to be buffered, if it does.
    pub(super) fn unbuffered_position(&self) -> Option<Position> {
        let buffered = match self {
            Self::Http(output) => &output.buffered,
            Self::Stdout(output) => &output.buffered,
            Self::Null(output) => &output.buffered,
            Self::Forward(_) | Self::File(_) | Self::Other(_) => &None,
        };
        let at = buffered.as_ref().filter(|at| !at.value);
        at.map(|at| at.position)
    }

    /// Where the text with its placeholders stands, if it has one.
    pub(super) fn template_position(&self) -> Option<Position> {
        let text = match self {
            Self::Forward(output) => &output.tag,
            Self::Http(output) => &output.url,
            Self::File(output) => &output.path,
            Self::Stdout(_) | Self::Null(_) | Self::Other(_) => &None,
        };
        text.as_ref().map(|at| at.position)
    }
}

/// How long batches are remembered: a table, or `on` or `off`.
#[derive(Debug)]
pub(super) enum Deduplicate {
    Off,
    On(DeduplicateTable),
}

impl Described for Deduplicate {
    fn describe() -> Value {
        json!({ "anyOf": [choice(&["on", "off"]), DeduplicateTable::describe(), { "type": "boolean" }] })
    }
}

impl FromNode for Deduplicate {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        if matches!(node.kind, Kind::Table(_)) {
            return DeduplicateTable::from_node(node, problems).map(Self::On);
        }
        Some(match Switch::from_node(node, problems)? {
            Switch::Off => Self::Off,
            Switch::On => Self::On(DeduplicateTable::default()),
        })
    }
}

/// A server of a forward output: `host:port`, or a table.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: Option<At<String>>,
    pub(super) weight: Option<At<u32>>,
    pub(super) standby: Option<At<bool>>,
}

impl Described for Server {
    fn describe() -> Value {
        json!({ "anyOf": [String::describe(), ServerTable::describe()] })
    }
}

impl FromNode for Server {
    fn from_node(node: &Node, problems: &mut Problems) -> Option<Self> {
        if matches!(node.kind, Kind::Table(_)) {
            let table = ServerTable::from_node(node, problems)?;
            return Some(Self {
                address: table.address,
                weight: table.weight,
                standby: table.standby,
            });
        }
        let address = At {
            value: String::from_node(node, problems)?,
            position: node.position,
        };
        Some(Self {
            address: Some(address),
            weight: None,
            standby: None,
        })
    }
}
