//! The buffer section of a route.

use std::time::Duration;

use super::check::{self, OrDefault as _};
use super::keys;
use crate::config::defaults::buffer as defaults;
use crate::config::error::{At, Problems};
use crate::config::plan::{
    BufferPlan, DeadLetterOverflow, DeduplicatePlan, Durability, FlushMode, GivenUp, Ordered,
    Overflow, RetryPlan,
};
use crate::config::schema;

/// More deliveries in flight than this help nobody.
const MAX_CONCURRENT_MAX: usize = 1024;

/// More batches than this would take gigabytes of memory.
const DEDUPLICATE_BATCHES_MAX_MAX: usize = 10_000_000;

/// The plan for `buffer` of a route with or without a secondary output.
pub(super) fn buffer(
    mut buffer: schema::Buffer,
    has_secondary: bool,
    problems: &mut Problems,
) -> BufferPlan {
    let keys = keys::keys(&mut buffer, problems);
    let has_time = keys.time.is_some();
    let flush_mode = flush_mode(&buffer, has_time, problems);
    let retry = retry(&mut buffer, problems);
    let (chunk_limit_size, total_limit_size) = limits(&buffer, problems);
    let (max_age, on_expired) = expiry(&mut buffer, problems);
    let secondary_threshold = secondary_threshold(&mut buffer, has_secondary, &retry, problems);
    BufferPlan {
        keys,
        timekey_wait: buffer.timekey_wait.or_default_of(defaults::TIMEKEY_WAIT),
        durability: buffer.durability.or_default_of(Durability::Disk),
        flush_mode,
        flush_interval: check::positive(buffer.flush_interval, defaults::FLUSH_INTERVAL, problems),
        flush_at_shutdown: buffer.flush_at_shutdown.or_default_of(false),
        chunk_limit_size,
        chunk_limit_records: chunk_limit_records(buffer.chunk_limit_records, problems),
        chunk_full_threshold: chunk_full_threshold(buffer.chunk_full_threshold, problems),
        total_limit_size,
        overflow: buffer.overflow.or_default_of(Overflow::Block),
        dead_letter_limit_size: buffer
            .dead_letter_limit_size
            .map_or(defaults::DEAD_LETTER_LIMIT_SIZE, |at| at.value.0),
        dead_letter_max_age: positive_if_any(buffer.dead_letter_max_age, problems),
        dead_letter_overflow: buffer
            .dead_letter_overflow
            .or_default_of(DeadLetterOverflow::Block),
        deduplicate: deduplicate(buffer.deduplicate, problems),
        max_concurrent: check::count(
            buffer.max_concurrent,
            defaults::MAX_CONCURRENT,
            MAX_CONCURRENT_MAX,
            problems,
        ),
        delayed_commit_timeout: check::positive(
            buffer.delayed_commit_timeout,
            defaults::DELAYED_COMMIT_TIMEOUT,
            problems,
        ),
        slow_flush_log_threshold: buffer
            .slow_flush_log_threshold
            .or_default_of(defaults::SLOW_FLUSH_LOG_THRESHOLD),
        on_exhausted: on_exhausted(buffer.on_exhausted, &retry, problems),
        retry,
        secondary_threshold,
        bisect: buffer.bisect.or_default_of(true),
        max_age,
        on_expired,
        ordered: buffer.ordered.or_default_of(Ordered::None),
    }
}

fn positive_if_any(setting: Option<At<Duration>>, problems: &mut Problems) -> Option<Duration> {
    let setting = setting?;
    Some(check::positive(Some(setting), Duration::ZERO, problems))
}

/// The longest that a chunk may wait, and what becomes of it then.
fn expiry(buffer: &mut schema::Buffer, problems: &mut Problems) -> (Option<Duration>, GivenUp) {
    let max_age = positive_if_any(buffer.max_age.take(), problems);
    let on_expired = buffer.on_expired.take();
    if let (Some(at), None) = (&on_expired, max_age)
        && at.value == GivenUp::Drop
    {
        problems.add(at.position, "`on_expired` has no effect without `max_age`");
    }
    (max_age, on_expired.or_default_of(GivenUp::DeadLetter))
}

/// Retries that never end exhaust nothing: who writes `drop` expects something else.
fn on_exhausted(
    setting: Option<At<GivenUp>>,
    retry: &RetryPlan,
    problems: &mut Problems,
) -> GivenUp {
    if let (Some(at), true) = (&setting, retry.forever)
        && at.value == GivenUp::Drop
    {
        problems.add_with_hint(
            at.position,
            "`on_exhausted` has no effect: `retry_forever` is `true`",
            Some("set `retry_timeout` or `retry_max_times`, or leave this out".to_owned()),
        );
    }
    setting.or_default_of(GivenUp::DeadLetter)
}

fn secondary_threshold(
    buffer: &mut schema::Buffer,
    has_secondary: bool,
    retry: &RetryPlan,
    problems: &mut Problems,
) -> f64 {
    let Some(At { value, position }) = buffer.retry_secondary_threshold.take() else {
        return defaults::RETRY_SECONDARY_THRESHOLD;
    };
    let is_default = (value - defaults::RETRY_SECONDARY_THRESHOLD).abs() < f64::EPSILON;
    if !(value > 0.0 && value < 1.0) {
        problems.add(position, "this must be more than 0 and less than 1");
    } else if is_default {
        // Who writes the default expects nothing else.
    } else if !has_secondary {
        problems.add(position, "this has no effect: the route has no `secondary`");
    } else if retry.forever {
        problems.add(position, "this has no effect: `retry_forever` is `true`");
    }
    value
}

fn deduplicate(
    setting: Option<At<schema::Deduplicate>>,
    problems: &mut Problems,
) -> Option<DeduplicatePlan> {
    let table = match setting.map(|at| at.value) {
        Some(schema::Deduplicate::On(table)) => table,
        Some(schema::Deduplicate::Off) => return None,
        None => schema::DeduplicateTable::default(),
    };
    Some(DeduplicatePlan {
        window: check::positive(table.window, defaults::DEDUPLICATE_WINDOW, problems),
        batches_max: check::count(
            table.batches_max,
            defaults::DEDUPLICATE_BATCHES_MAX,
            DEDUPLICATE_BATCHES_MAX_MAX,
            problems,
        ),
    })
}

/// An explicit mode wins; else a time key means lazy. An interval that would have no effect is an
/// error, so that nobody waits an hour for what they set to a second.
fn flush_mode(buffer: &schema::Buffer, has_time: bool, problems: &mut Problems) -> FlushMode {
    let default = if has_time {
        FlushMode::Lazy
    } else {
        FlushMode::Interval
    };
    let mode = buffer.flush_mode.as_ref().map_or(default, |at| at.value);
    if let (Some(at), true) = (&buffer.flush_interval, mode != FlushMode::Interval) {
        let why = match (&buffer.flush_mode, mode) {
            (None, _) => "`flush_mode` is `lazy` when `time` is among the `keys`",
            (Some(_), FlushMode::Lazy) => "`flush_mode` is `lazy`",
            (Some(_), _) => "`flush_mode` is `immediate`",
        };
        problems.add_with_hint(
            at.position,
            format!("`flush_interval` has no effect: {why}"),
            Some("set `flush_mode: interval`, or leave this out".to_owned()),
        );
    }
    mode
}

/// The limits of a chunk and of the route, in bytes.
fn limits(buffer: &schema::Buffer, problems: &mut Problems) -> (u64, u64) {
    let chunk = buffer.chunk_limit_size.clone();
    let total = buffer.total_limit_size.clone();
    let culprit = total.as_ref().or(chunk.as_ref()).map(|at| at.position);
    let chunk_bytes = check::size(chunk, defaults::CHUNK_LIMIT_SIZE, problems);
    let total_bytes = check::size(total, defaults::TOTAL_LIMIT_SIZE, problems);
    if let (Some(position), true) = (culprit, total_bytes < chunk_bytes) {
        problems.add(
            position,
            format!(
                "`total_limit_size` ({total_bytes} bytes) is less than `chunk_limit_size` \
                 ({chunk_bytes} bytes)"
            ),
        );
    }
    (chunk_bytes, total_bytes)
}

fn chunk_limit_records(setting: Option<At<u64>>, problems: &mut Problems) -> Option<u64> {
    let At { value, position } = setting?;
    if value == 0 {
        problems.add(position, "this must be at least 1");
    }
    Some(value)
}

fn chunk_full_threshold(setting: Option<At<f64>>, problems: &mut Problems) -> f64 {
    let Some(At { value, position }) = setting else {
        return defaults::CHUNK_FULL_THRESHOLD;
    };
    if value <= 0.0 || value > 1.0 {
        problems.add(position, "this must be more than 0 and at most 1");
    }
    value
}

fn retry(buffer: &mut schema::Buffer, problems: &mut Problems) -> RetryPlan {
    let has_limit = buffer.retry_timeout.is_some() || buffer.retry_max_times.is_some();
    RetryPlan {
        kind: buffer.retry_type.take().or_default_of(defaults::RETRY_TYPE),
        wait: check::positive(buffer.retry_wait.take(), defaults::RETRY_WAIT, problems),
        exponential_base: exponential_base(buffer.retry_exponential_backoff_base.take(), problems),
        max_interval: check::positive(
            buffer.retry_max_interval.take(),
            defaults::RETRY_MAX_INTERVAL,
            problems,
        ),
        randomization: randomization(buffer, problems),
        timeout: check::positive(
            buffer.retry_timeout.take(),
            defaults::RETRY_TIMEOUT,
            problems,
        ),
        max_times: buffer.retry_max_times.take().map(|at| at.value),
        forever: buffer.retry_forever.take().or_default_of(!has_limit),
    }
}

fn exponential_base(setting: Option<At<f64>>, problems: &mut Problems) -> f64 {
    let Some(At { value, position }) = setting else {
        return defaults::RETRY_BASE;
    };
    if value < 1.0 {
        problems.add(position, "this must be at least 1");
    }
    value
}

/// `retry_randomize: false` is another way to say a factor of 0.
fn randomization(buffer: &mut schema::Buffer, problems: &mut Problems) -> f64 {
    let is_off = buffer.retry_randomize.take().is_some_and(|at| !at.value);
    let Some(At { value, position }) = buffer.retry_randomization_factor.take() else {
        return if is_off {
            0.0
        } else {
            defaults::RETRY_RANDOMIZATION
        };
    };
    if !(0.0..1.0).contains(&value) {
        problems.add(position, "this must be at least 0 and less than 1");
    }
    if is_off && value > 0.0 {
        problems.add(position, "this has no effect: `retry_randomize` is `false`");
    }
    value
}
