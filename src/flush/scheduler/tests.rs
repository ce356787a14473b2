use super::super::decision::{AfterBurial, Cause, Resolved, Taken};
use super::super::outcome::Rejection;
use super::super::ranges::RangeSet;
use super::retry::UNREACHABLE_PROBE_GAP_MAX;
use super::*;
use crate::config::plan::{RetryKind, RetryPlan};

const SECOND_NS: i64 = 1_000_000_000;

fn at(seconds: u64) -> Now {
    at_ms(seconds * 1_000)
}

fn at_ms(ms: u64) -> Now {
    let unix_ns = i64::try_from(ms).unwrap() * 1_000_000 + 1_000_000 * SECOND_NS;
    Now {
        monotonic: Duration::from_millis(ms),
        unix_ns,
    }
}

fn id(number: u8) -> ChunkId {
    ChunkId::from_bytes([number; 16])
}

fn retry() -> RetryPlan {
    RetryPlan {
        kind: RetryKind::ExponentialBackoff,
        wait: Duration::from_secs(1),
        exponential_base: 2.0,
        max_interval: Duration::from_secs(60),
        randomization: 0.0,
        timeout: Duration::from_secs(3_600),
        max_times: None,
        forever: true,
    }
}

fn policy(mode: FlushMode) -> FlushPolicy {
    FlushPolicy {
        mode,
        interval: Duration::from_secs(1),
        window_wait: Duration::from_secs(10),
        retry: retry(),
        bisect: true,
        secondary_threshold: 0.8,
        max_age: None,
    }
}

fn with_retry(retry: RetryPlan, destinations: &[DestinationPolicy]) -> Scheduler {
    Scheduler::new(
        FlushPolicy {
            retry,
            ..policy(FlushMode::Interval)
        },
        destinations,
        1,
    )
}

const ONE: DestinationPolicy = DestinationPolicy {
    max_concurrent: 2,
    take_back_after: None,
};

fn scheduler(mode: FlushMode) -> Scheduler {
    Scheduler::new(policy(mode), &[ONE], 1)
}

fn staged(number: u8, now: Now, window_end_ns: Option<i64>) -> Staged {
    Staged {
        chunk: id(number),
        created_ns: now.unix_ns,
        window_end_ns,
    }
}

/// A chunk of one event, which nothing can be searched in.
fn queued(number: u8, owed: Vec<Owed>) -> Queued {
    Queued {
        chunk: id(number),
        event_count: 1,
        sealed_ns: at(0).unix_ns,
        lane: None,
        owed,
    }
}

fn owed(destination: usize, retry: Option<RetryState>) -> Owed {
    Owed { destination, retry }
}

fn queue(scheduler: &mut Scheduler, now: Now, numbers: impl IntoIterator<Item = u8>) {
    for number in numbers {
        scheduler.queued(now, queued(number, vec![owed(0, None)]));
    }
}

fn poll_all(scheduler: &mut Scheduler, now: Now) -> Vec<Decision> {
    std::iter::from_fn(|| scheduler.poll(now)).collect()
}

/// The chunks that are delivered now, with their deliveries.
fn deliveries(scheduler: &mut Scheduler, now: Now) -> Vec<(ChunkId, DeliveryId)> {
    poll_all(scheduler, now)
        .into_iter()
        .filter_map(|decision| match decision {
            Decision::Deliver {
                delivery, chunk, ..
            } => Some((chunk, delivery)),
            Decision::Seal { .. } | Decision::TakeBack { .. } | Decision::Expire(_) => None,
        })
        .collect()
}

fn fail(
    scheduler: &mut Scheduler,
    now: Now,
    delivery: DeliveryId,
    scope: FailureScope,
) -> Resolved {
    scheduler.resolve(now, delivery, Outcome::Retry(Failure::new(scope, "no")))
}

fn seal(number: u8, reason: SealReason) -> Decision {
    Decision::Seal {
        chunk: id(number),
        reason,
    }
}

#[test]
fn f14_f15_interval_mode_seals_at_the_chunks_age() {
    let mut scheduler = scheduler(FlushMode::Interval);
    scheduler.staged(at(5), staged(1, at(5), None));
    assert_eq!(
        scheduler.next_wakeup().monotonic,
        Some(Duration::from_secs(6))
    );
    assert_eq!(scheduler.poll(at_ms(5_999)), None);
    assert_eq!(scheduler.poll(at(6)), Some(seal(1, SealReason::Age)));
    assert_eq!(scheduler.poll(at(7)), None, "once is enough");
}

#[test]
fn a_chunk_found_staged_at_start_has_the_age_it_has() {
    let mut scheduler = scheduler(FlushMode::Interval);
    scheduler.staged(at_ms(5_700), staged(1, at(5), None));
    assert_eq!(
        scheduler.next_wakeup().monotonic,
        Some(Duration::from_secs(6))
    );
}

#[test]
fn f14_f15_lazy_mode_seals_only_when_the_window_and_its_wait_are_over() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    let end = at(100).unix_ns;
    scheduler.staged(at(5), staged(1, at(5), Some(end)));
    scheduler.staged(at(5), staged(2, at(5), None));
    assert_eq!(
        scheduler.next_wakeup(),
        Wakeup {
            monotonic: None,
            unix_ns: Some(end + 10 * SECOND_NS)
        }
    );
    assert_eq!(scheduler.poll(at(109)), None);
    assert_eq!(
        poll_all(&mut scheduler, at(110)),
        [seal(1, SealReason::Window)]
    );
}

#[test]
fn a_late_event_of_a_closed_window_is_flushed_at_once() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    scheduler.staged(at(500), staged(1, at(500), Some(at(100).unix_ns)));
    assert_eq!(scheduler.poll(at(500)), Some(seal(1, SealReason::Window)));
}

#[test]
fn f14_f15_immediate_mode_seals_at_once() {
    let mut scheduler = scheduler(FlushMode::Immediate);
    scheduler.staged(at(5), staged(1, at(5), None));
    assert_eq!(scheduler.poll(at(5)), Some(seal(1, SealReason::Immediate)));
}

#[test]
fn a_request_to_flush_seals_all_that_is_staged() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    scheduler.staged(at(1), staged(1, at(1), None));
    queue(&mut scheduler, at(1), [2]);
    scheduler.flush_all();
    assert_eq!(scheduler.poll(at(1)), Some(seal(1, SealReason::Request)));
}

#[test]
fn a_chunk_sealed_for_its_size_needs_no_timer_any_more() {
    let mut scheduler = scheduler(FlushMode::Interval);
    scheduler.staged(at(1), staged(1, at(1), Some(at(50).unix_ns)));
    queue(&mut scheduler, at(1), [1]);
    assert_eq!(deliveries(&mut scheduler, at(1)).len(), 1);
    assert_eq!(scheduler.next_wakeup(), Wakeup::default());
}

#[test]
fn s04_chunks_are_delivered_oldest_first_up_to_the_limit() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(1), [3, 1, 2]);
    let first = deliveries(&mut scheduler, at(1));
    assert_eq!(
        first.iter().map(|(chunk, _)| *chunk).collect::<Vec<_>>(),
        [id(3), id(1)]
    );
    let resolved = scheduler.resolve(at(2), first[0].1, Outcome::Delivered);
    let taken = Taken {
        began: Duration::from_secs(1),
        event_count: 1,
        via: Via::Primary,
    };
    assert_eq!(
        resolved,
        Resolved::Delivered {
            chunk: id(3),
            destination: 0,
            taken,
            failure_count: 0
        }
    );
    assert_eq!(deliveries(&mut scheduler, at(2))[0].0, id(2));
}

#[test]
fn an_outage_is_probed_with_one_chunk_and_ends_for_all_at_once() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(0), 1..=9);
    for (_, delivery) in deliveries(&mut scheduler, at(0)) {
        fail(&mut scheduler, at(0), delivery, FailureScope::Unreachable);
    }
    assert!(scheduler.is_open(0));
    assert!(deliveries(&mut scheduler, at_ms(999)).is_empty());
    assert_eq!(
        scheduler.next_wakeup().monotonic,
        Some(Duration::from_secs(1))
    );
    let probe = deliveries(&mut scheduler, at(1));
    assert_eq!(probe.len(), 1);
    scheduler.resolve(at(1), probe[0].1, Outcome::Delivered);
    assert!(!scheduler.is_open(0));
    let next = deliveries(&mut scheduler, at(1));
    assert_eq!(next.len(), 2, "up to max_concurrent");
    assert_eq!(next[0].0, id(2));
}

#[test]
fn s08_a_chunk_that_failed_in_an_outage_does_not_sit_out_its_own_wait_after_it() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    let history = RetryState {
        failure_count: 5,
        first_failure_ns: at(0).unix_ns,
        last_failure_ns: at(0).unix_ns,
        next_attempt_ns: at(0).unix_ns,
        last_reason: "away".to_owned(),
        left: None,
    };
    scheduler.queued(at(0), queued(1, vec![owed(0, Some(history))]));
    let failed = deliveries(&mut scheduler, at(0));
    fail(
        &mut scheduler,
        at(0),
        failed[0].1,
        FailureScope::Destination,
    );
    queue(&mut scheduler, at(0), [2]);
    let probe = deliveries(&mut scheduler, at(1));
    assert_eq!(probe[0].0, id(2), "the one that is ready");
    scheduler.resolve(at(1), probe[0].1, Outcome::Delivered);
    assert_eq!(deliveries(&mut scheduler, at(1))[0].0, id(1));
}

#[test]
fn a_refused_connection_is_probed_at_least_every_two_seconds() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(0), 1..=3);
    let mut now = at(0);
    for _ in 0..20 {
        for (_, delivery) in deliveries(&mut scheduler, now) {
            fail(&mut scheduler, now, delivery, FailureScope::Unreachable);
        }
        let next = scheduler.next_wakeup().monotonic.unwrap();
        assert!(next - now.monotonic <= UNREACHABLE_PROBE_GAP_MAX);
        now = at_ms(u64::try_from(next.as_millis()).unwrap());
    }
}

#[test]
fn a_poison_chunk_stops_nobody() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(0), 1..=40);
    let mut delivered = 0;
    let mut poison_attempts = 0;
    for ms in 0..60 {
        for (chunk, delivery) in deliveries(&mut scheduler, at_ms(ms)) {
            if chunk == id(1) {
                poison_attempts += 1;
                fail(&mut scheduler, at_ms(ms), delivery, FailureScope::Chunk);
            } else {
                delivered += 1;
                let outcome = Outcome::Delivered;
                assert!(matches!(
                    scheduler.resolve(at_ms(ms), delivery, outcome),
                    Resolved::Delivered { .. }
                ));
            }
        }
    }
    assert_eq!((delivered, poison_attempts), (39, 1));
}

#[test]
fn s09_a_chunk_waits_longer_after_each_failure_of_its_own() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(0), [1]);
    let mut now = at(0);
    let mut gaps = Vec::new();
    for _ in 0..4 {
        let delivery = deliveries(&mut scheduler, now)[0].1;
        fail(&mut scheduler, now, delivery, FailureScope::Chunk);
        let next = scheduler.next_wakeup().monotonic.unwrap();
        gaps.push((next - now.monotonic).as_secs());
        now = at(next.as_secs());
    }
    assert_eq!(gaps, [1, 2, 4, 8]);
}

#[test]
fn what_the_destination_asked_for_is_kept_to() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(0), [1, 2, 3]);
    let delivery = deliveries(&mut scheduler, at(0))[0].1;
    let failure =
        Failure::new(FailureScope::Destination, "429").not_before(Duration::from_secs(120));
    scheduler.resolve(at(0), delivery, Outcome::Retry(failure));
    assert!(deliveries(&mut scheduler, at(119)).is_empty());
    assert_eq!(deliveries(&mut scheduler, at(120)).len(), 1);
}

#[test]
fn s02_s07_a_chunk_is_given_up_after_its_retries_and_not_before() {
    let plan = RetryPlan {
        forever: false,
        max_times: Some(2),
        ..retry()
    };
    let mut scheduler = with_retry(plan, &[ONE]);
    queue(&mut scheduler, at(0), [1]);
    let mut ended = Vec::new();
    for now in [at(0), at(10), at(20)] {
        let delivery = deliveries(&mut scheduler, now)[0].1;
        ended.push(fail(&mut scheduler, now, delivery, FailureScope::Chunk));
    }
    assert!(matches!(ended[0], Resolved::Retrying { .. }));
    assert!(matches!(ended[1], Resolved::Retrying { .. }));
    let Resolved::Bury { burial, .. } = &ended[2] else {
        panic!("{ended:?}")
    };
    assert_eq!(burial.cause, Cause::Exhausted);
    let retry = &burial.retry;
    assert_eq!((retry.failure_count, retry.last_reason.as_str()), (3, "no"));
    assert!(deliveries(&mut scheduler, at(1_000)).is_empty());
    assert_eq!(scheduler.buried(at(1_000), id(1), 0), AfterBurial::Settled);
    assert!(scheduler.is_idle());
}

#[test]
fn a_clock_that_is_set_uses_up_no_retries() {
    let plan = RetryPlan {
        forever: false,
        ..retry()
    };
    let mut scheduler = with_retry(plan, &[ONE]);
    queue(&mut scheduler, at(0), [1]);
    let delivery = deliveries(&mut scheduler, at(0))[0].1;
    fail(&mut scheduler, at(0), delivery, FailureScope::Chunk);
    let ten_days_on = Now {
        unix_ns: at(864_000).unix_ns,
        ..at(1)
    };
    let delivery = deliveries(&mut scheduler, ten_days_on)[0].1;
    let second = fail(&mut scheduler, ten_days_on, delivery, FailureScope::Chunk);
    assert!(matches!(second, Resolved::Retrying { .. }), "{second:?}");
}

#[test]
fn stanza_trap_c_the_last_attempt_is_made_at_the_deadline() {
    let plan = RetryPlan {
        forever: false,
        timeout: Duration::from_secs(5),
        ..retry()
    };
    let mut scheduler = with_retry(plan, &[ONE]);
    queue(&mut scheduler, at(0), [1]);
    for (now, next) in [(0, 1), (1, 3), (3, 5)] {
        let delivery = deliveries(&mut scheduler, at(now))[0].1;
        assert!(matches!(
            fail(&mut scheduler, at(now), delivery, FailureScope::Chunk),
            Resolved::Retrying { .. }
        ));
        assert_eq!(
            scheduler.next_wakeup().monotonic,
            Some(Duration::from_secs(next))
        );
    }
    let delivery = deliveries(&mut scheduler, at(5))[0].1;
    let last = fail(&mut scheduler, at(5), delivery, FailureScope::Chunk);
    assert!(matches!(last, Resolved::Bury { .. }));
}

#[test]
fn a_rejected_chunk_is_buried_at_once_and_kept_if_that_fails() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(0), [1]);
    let delivery = deliveries(&mut scheduler, at(0))[0].1;
    let resolved = scheduler.resolve(
        at(0),
        delivery,
        Outcome::Reject {
            reason: "400".to_owned(),
        },
    );
    assert!(matches!(resolved, Resolved::Bury { burial, .. } if burial.chunk == id(1)));
    assert_eq!(scheduler.oldest(), None, "nobody can delete it meanwhile");
    scheduler.not_buried(at(0), id(1), 0);
    assert_eq!(scheduler.oldest(), Some(id(1)));
    assert!(!scheduler.is_idle());
    assert_eq!(deliveries(&mut scheduler, at(60)).len(), 1);
}

#[test]
fn f17_f18_fluentd_trap_c_a_delivery_that_is_not_resolved_is_taken_back_and_its_late_commit_changes_nothing()
 {
    let policy = DestinationPolicy {
        take_back_after: Some(Duration::from_secs(60)),
        ..ONE
    };
    let mut scheduler = with_retry(retry(), &[policy]);
    queue(&mut scheduler, at(0), [1]);
    let delivery = deliveries(&mut scheduler, at(0))[0].1;
    assert_eq!(scheduler.poll(at(59)), None);
    let taken = scheduler.poll(at(60));
    assert!(matches!(
        taken,
        Some(Decision::TakeBack { delivery: late, then: Resolved::Retrying { .. }, .. })
            if late == delivery
    ));
    assert_eq!(
        scheduler.resolve(at(61), delivery, Outcome::Delivered),
        Resolved::Late
    );
    assert!(!scheduler.is_idle());
    assert_eq!(deliveries(&mut scheduler, at(62)).len(), 1);
}

#[test]
fn destinations_of_a_route_progress_on_their_own() {
    let mut scheduler = with_retry(retry(), &[ONE, ONE]);
    scheduler.queued(at(0), queued(1, vec![owed(0, None), owed(1, None)]));
    let both = deliveries(&mut scheduler, at(0));
    assert_eq!(both.len(), 2);
    scheduler.resolve(at(0), both[0].1, Outcome::Delivered);
    fail(&mut scheduler, at(0), both[1].1, FailureScope::Destination);
    assert!(!scheduler.is_open(0) && scheduler.is_open(1));
    let again = poll_all(&mut scheduler, at(1));
    let [
        Decision::Deliver {
            delivery,
            destination: 1,
            failure_count: 1,
            ..
        },
    ] = again[..]
    else {
        panic!("{again:?}")
    };
    scheduler.resolve(at(1), delivery, Outcome::Delivered);
    assert!(scheduler.is_idle());
}

#[test]
fn history_from_before_a_restart_is_kept_to() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    let history = RetryState {
        failure_count: 3,
        first_failure_ns: at(1).unix_ns,
        last_failure_ns: at(8).unix_ns,
        next_attempt_ns: at(16).unix_ns,
        last_reason: "503".to_owned(),
        left: None,
    };
    scheduler.queued(at(10), queued(1, vec![owed(0, Some(history))]));
    assert!(deliveries(&mut scheduler, at(15)).is_empty());
    let again = poll_all(&mut scheduler, at(16));
    assert!(matches!(
        again[..],
        [Decision::Deliver {
            failure_count: 3,
            ..
        }]
    ));
}

#[test]
fn a_clock_set_back_between_two_runs_does_not_lengthen_a_wait() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    let history = RetryState {
        failure_count: 1,
        first_failure_ns: at(1_000_000).unix_ns,
        last_failure_ns: at(1_000_000).unix_ns,
        next_attempt_ns: at(1_000_008).unix_ns,
        last_reason: "503".to_owned(),
        left: None,
    };
    scheduler.queued(at(10), queued(1, vec![owed(0, Some(history))]));
    assert!(deliveries(&mut scheduler, at(17)).is_empty());
    assert_eq!(deliveries(&mut scheduler, at(18)).len(), 1);
}

#[test]
fn a_purged_chunk_is_forgotten_even_in_flight() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(0), [1, 2, 3]);
    let running = deliveries(&mut scheduler, at(0));
    assert_eq!(scheduler.oldest(), Some(id(3)));
    scheduler.purged(at(0), id(1));
    scheduler.purged(at(0), id(3));
    assert_eq!(
        scheduler.resolve(at(1), running[0].1, Outcome::Delivered),
        Resolved::Late
    );
    scheduler.resolve(at(1), running[1].1, Outcome::Delivered);
    assert!(scheduler.is_idle());
    assert_eq!(
        (scheduler.in_flight_count(0), scheduler.owed_count(0)),
        (0, 0)
    );
    assert_eq!(scheduler.next_wakeup(), Wakeup::default());
}

mod handover;
mod last_resorts;
mod operator;

proptest::proptest! {
    /// Whatever happens in whatever order: limits hold, nothing is delivered twice at a time, and
    /// once the destination is well and nothing is held or stopped, every chunk is delivered; what
    /// is held is never offered.
    #[test]
    fn every_chunk_is_delivered_once_the_destination_is_well(
        steps in proptest::collection::vec((0_u8..11, 0_u64..3_000), 1..200),
    ) {
        let mut scheduler = scheduler(FlushMode::Lazy);
        let mut now_ms = 0;
        let mut chunks = 0_u8;
        let mut open: Vec<(ChunkId, DeliveryId)> = Vec::new();
        for (step, number) in steps {
            match step {
                0 if chunks < 200 => {
                    chunks += 1;
                    queue(&mut scheduler, at_ms(now_ms), [chunks]);
                }
                1..=4 if !open.is_empty() => {
                    let index = usize::try_from(number).unwrap() % open.len();
                    let (_, delivery) = open.swap_remove(index);
                    let scope = [
                        FailureScope::Unreachable,
                        FailureScope::Destination,
                        FailureScope::Chunk,
                    ];
                    match scope.get(usize::from(step)) {
                        Some(scope) => {
                            fail(&mut scheduler, at_ms(now_ms), delivery, *scope);
                        }
                        None => {
                            scheduler.resolve(at_ms(now_ms), delivery, Outcome::Delivered);
                        }
                    }
                }
                6 => _ = scheduler.hold(chosen(number, chunks)),
                7 => _ = scheduler.release(at_ms(now_ms), chosen(number, chunks)),
                8 => _ = scheduler.retry_chunk(at_ms(now_ms), chosen(number, chunks)),
                9 => _ = scheduler.retry_destination(at_ms(now_ms), 0),
                10 => _ = scheduler.stop_destination(0, number % 2 == 0),
                _ => now_ms += number,
            }
            let started = deliveries(&mut scheduler, at_ms(now_ms));
            for (chunk, _) in &started {
                proptest::prop_assert!(!scheduler.is_held(*chunk));
                proptest::prop_assert!(!scheduler.is_destination_stopped(0));
            }
            open.extend(started);
            proptest::prop_assert!(open.len() <= ONE.max_concurrent);
            let mut ids: Vec<_> = open.iter().map(|(chunk, _)| *chunk).collect();
            ids.sort_unstable();
            ids.dedup();
            proptest::prop_assert_eq!(ids.len(), open.len());
        }
        scheduler.stop_destination(0, false);
        for number in 0..=chunks {
            scheduler.release(at_ms(now_ms), id(number));
        }
        for _ in 0..1_000 {
            for (_, delivery) in open.drain(..) {
                scheduler.resolve(at_ms(now_ms), delivery, Outcome::Delivered);
            }
            now_ms += 60_000;
            open.extend(deliveries(&mut scheduler, at_ms(now_ms)));
        }
        proptest::prop_assert!(scheduler.is_idle());
    }
}

/// One of the chunks so far, or one that does not exist.
fn chosen(number: u64, chunks: u8) -> ChunkId {
    id(u8::try_from(number % (u64::from(chunks) + 1)).unwrap())
}

#[test]
fn a_chunk_that_has_never_failed_keeps_little_in_memory() {
    // Each byte here is 100 kB with 100,000 chunk keys.
    let sizes = (size_of::<TrackedQueued>(), size_of::<Debt>());
    assert!(sizes.0 <= 104 && sizes.1 <= 64, "{sizes:?}");
    let mut scheduler = scheduler(FlushMode::Immediate);
    queue(&mut scheduler, at(0), [1]);
    let is_apart = |scheduler: &mut Scheduler| {
        let debt = scheduler.debt(id(1), 0).unwrap();
        (debt.remainder.is_cut(), debt.failed().is_some())
    };
    let delivery = deliveries(&mut scheduler, at(0))[0].1;
    assert_eq!(is_apart(&mut scheduler), (false, false));
    fail(&mut scheduler, at(0), delivery, FailureScope::Chunk);
    assert_eq!(is_apart(&mut scheduler), (true, true));
}
