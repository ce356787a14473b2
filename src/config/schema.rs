//! What the user writes: every setting with its names, nothing filled in, nothing checked but that
//! each value is of the right kind.
//!
//! Names and meanings follow Fluentd's wherever the meaning is the same; a name after `or` is
//! another one that the setting goes by. What is missing gets its default in `convert`.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;

use super::decode::{FromNode, Named, OneOrMany, Size, choices, tables, tables_by_type};
use super::error::{At, Position, Problems};
use super::node::{Kind, Node};
use super::plan::{
    Compression, Durability, FlushMode, HttpFormat, HttpMethod, Overflow, RetryKind,
};

pub(super) mod filter;

tables! {
    /// The whole file.
    Config {
        data_dir: String,
        stop_timeout: Duration,
        open_files_max: usize,
        inputs: Named<Input>,
        filters: Named<filter::Filter>,
        routes: Named<Route>,
        outputs: Named<Output>,
        admin: Admin,
        log: Log,
    }

    /// The admin API.
    Admin {
        listen: SocketAddr,
    }

    /// How logs are written.
    Log {
        filter or "level": String,
        format: LogFormat,
    }

    /// An input for the Fluent forward protocol.
    ForwardInput {
        listen: SocketAddr,
        message_size_max or "chunk_size_limit": Size,
        unpacked_size_max or "decompression_size_limit": Size,
        connections_max: usize,
        read_memory_max: Size,
        idle_timeout: Duration,
        security: InputSecurity,
        tls: ServerTls,
    }

    /// What a forward input asks of its senders.
    InputSecurity {
        self_hostname: String,
        shared_key: SecretString,
        users: Named<SecretString>,
    }

    /// An input for events in HTTP requests.
    HttpInput {
        listen: SocketAddr,
        body_size_max or "body_size_limit": Size,
        unpacked_size_max or "decompression_size_limit": Size,
        connections_max: usize,
        read_memory_max: Size,
        patience: Duration,
        tls: ServerTls,
    }

    /// The server's side of TLS.
    ServerTls {
        cert_path: String,
        key_path or "private_key_path": String,
        client_ca_path: String,
    }

    /// One route.
    Route {
        r#match: OneOrMany<String>,
        buffer: Buffer,
        to: OneOrMany<String>,
    }

    /// How a route groups, keeps and flushes its events.
    Buffer {
        keys or "chunk_keys": OneOrMany<String>,
        timekey: Duration,
        timekey_wait: Duration,
        timekey_zone: String,
        timekey_use_utc: bool,
        durability: Durability,
        flush_mode: FlushMode,
        flush_interval: Duration,
        flush_at_shutdown: bool,
        chunk_limit_size: Size,
        chunk_limit_records: u64,
        chunk_full_threshold: f64,
        total_limit_size: Size,
        overflow or "overflow_action": Overflow,
        dead_letter_limit_size: Size,
        deduplicate: Deduplicate,
        max_concurrent or "flush_thread_count": usize,
        delayed_commit_timeout: Duration,
        slow_flush_log_threshold: Duration,
        retry_type: RetryKind,
        retry_wait: Duration,
        retry_exponential_backoff_base: f64,
        retry_max_interval or "max_retry_interval": Duration,
        retry_randomize: bool,
        retry_randomization_factor: f64,
        retry_timeout or "max_elapsed_time": Duration,
        retry_max_times: u32,
        retry_forever: bool,
    }

    /// How long batches are remembered, as a table.
    DeduplicateTable {
        window: Duration,
        batches_max: usize,
    }

    /// An output to servers that speak the Fluent forward protocol.
    ForwardOutput {
        servers: OneOrMany<Server>,
        connect_timeout: Duration,
        send_timeout: Duration,
        ack_timeout or "ack_response_timeout": Duration,
        require_ack or "require_ack_response": bool,
        compress: Compression,
        security: OutputSecurity,
        tls: ClientTls,
        tag: String,
    }

    /// A server as a table.
    ServerTable {
        address: String,
        weight: u32,
        standby: bool,
    }

    /// What a forward output proves to its servers.
    OutputSecurity {
        self_hostname: String,
        shared_key: SecretString,
        username: String,
        password: SecretString,
    }

    /// The client's side of TLS.
    ClientTls {
        ca_path: String,
        server_name: String,
        cert_path: String,
        key_path or "private_key_path": String,
    }

    /// An output to an HTTP server.
    HttpOutput {
        url or "endpoint": String,
        method or "http_method": HttpMethod,
        format: HttpFormat,
        compress: Compression,
        headers: Named<SecretString>,
        connect_timeout: Duration,
        request_timeout: Duration,
        tls: ClientTls,
        buffered: bool,
    }

    /// An output to files.
    FileOutput {
        path: String,
        append: bool,
        format: FileFormat,
        fields: OneOrMany<String>,
        compress: Compression,
    }

    /// An output to standard output.
    StdoutOutput {
        format: FileFormat,
        fields: OneOrMany<String>,
        buffered: bool,
    }

    /// An output to nowhere.
    NullOutput {
        buffered: bool,
    }
}

tables_by_type! {
    /// One input.
    Input {
        "forward" => Forward(ForwardInput),
        "http" => Http(HttpInput),
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
    LogFormat {
        "text" => Self::Text,
        "json" => Self::Json,
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
