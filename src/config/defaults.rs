//! What holds where the user wrote nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::plan::RetryKind;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

const fn localhost(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const LOG_FILTER: &str = "info";
pub(super) const ADMIN_LISTEN: SocketAddr = localhost(2020);
pub(super) const ADMIN_REQUESTS_PER_SECOND_MAX: u32 = 100;

pub(super) mod input {
    use super::{Duration, MIB, SocketAddr, localhost};

    pub(in super::super) const FORWARD_LISTEN: SocketAddr = localhost(24224);
    pub(in super::super) const HTTP_LISTEN: SocketAddr = localhost(9880);
    pub(in super::super) const MESSAGE_SIZE_MAX: u64 = 64 * MIB;
    pub(in super::super) const BODY_SIZE_MAX: u64 = 32 * MIB;
    pub(in super::super) const UNPACKED_SIZE_MAX: u64 = 256 * MIB;
    pub(in super::super) const CONNECTIONS_MAX: usize = 1024;
    pub(in super::super) const FORWARD_READ_MEMORY_MAX: u64 = 32 * MIB;
    pub(in super::super) const HTTP_READ_MEMORY_MAX: u64 = 64 * MIB;
    pub(in super::super) const PATIENCE: Duration = Duration::from_secs(5);
    pub(in super::super) const STDIN_TAG: &str = "stdin";
    pub(in super::super) const LINE_SIZE_MAX: u64 = MIB;
    pub(in super::super) const DUMMY_TAG: &str = "dummy";
    pub(in super::super) const DUMMY_RATE: f64 = 1.0;
    pub(in super::super) const DUMMY_RECORD: &str = r#"{"message":"dummy"}"#;
    pub(in super::super) const INTERNAL_TAG: &str = "forebay";
}

pub(super) mod buffer {
    use super::{Duration, GIB, MIB, RetryKind};

    pub(in super::super) const TIMEKEY_WAIT: Duration = Duration::from_secs(600);
    pub(in super::super) const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
    pub(in super::super) const CHUNK_LIMIT_SIZE: u64 = 8 * MIB;
    pub(in super::super) const CHUNK_FULL_THRESHOLD: f64 = 0.95;
    pub(in super::super) const TOTAL_LIMIT_SIZE: u64 = 10 * GIB;
    pub(in super::super) const DEAD_LETTER_LIMIT_SIZE: u64 = GIB;
    pub(in super::super) const DEDUPLICATE_WINDOW: Duration = Duration::from_secs(600);
    pub(in super::super) const DEDUPLICATE_BATCHES_MAX: usize = 100_000;
    pub(in super::super) const MAX_CONCURRENT: usize = 16;
    pub(in super::super) const DELAYED_COMMIT_TIMEOUT: Duration = Duration::from_secs(60);
    pub(in super::super) const SLOW_FLUSH_LOG_THRESHOLD: Duration = Duration::from_secs(20);
    pub(in super::super) const RETRY_TYPE: RetryKind = RetryKind::ExponentialBackoff;
    pub(in super::super) const RETRY_WAIT: Duration = Duration::from_secs(1);
    pub(in super::super) const RETRY_BASE: f64 = 2.0;
    pub(in super::super) const RETRY_MAX_INTERVAL: Duration = Duration::from_secs(60);
    pub(in super::super) const RETRY_RANDOMIZATION: f64 = 0.125;
    pub(in super::super) const RETRY_SECONDARY_THRESHOLD: f64 = 0.8;
    pub(in super::super) const RETRY_TIMEOUT: Duration = Duration::from_secs(72 * 3600);
}

pub(super) mod filter {
    use super::Duration;

    pub(in super::super) const INTERVAL: Duration = Duration::from_secs(60);
    pub(in super::super) const KEYS_MAX: usize = 10_000;
    pub(in super::super) const SOURCES_MAX: usize = 10_000;
    pub(in super::super) const COUNTER_TAG: &str = "counter";
    pub(in super::super) const ROLLUP_TAG: &str = "rollup";
    pub(in super::super) const MISSING_TAG: &str = "heartbeat.missing";
    pub(in super::super) const BACK_TAG: &str = "heartbeat.back";
}

pub(super) mod output {
    use super::Duration;

    pub(in super::super) const FORWARD_PORT: u16 = 24224;
    pub(in super::super) const SERVER_WEIGHT: u32 = 60;
    pub(in super::super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    pub(in super::super) const SEND_TIMEOUT: Duration = Duration::from_secs(60);
    pub(in super::super) const ACK_TIMEOUT: Duration = Duration::from_secs(60);
    pub(in super::super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
}
