//! What the operator asks for.

use super::*;

fn delivered(scheduler: &mut Scheduler, now: Now, delivery: DeliveryId) {
    scheduler.resolve(now, delivery, Outcome::Delivered);
}

fn chunks_of(deliveries: &[(ChunkId, DeliveryId)]) -> Vec<ChunkId> {
    deliveries.iter().map(|(chunk, _)| *chunk).collect()
}

/// A scheduler whose destination is down until 2 s, with the first of three chunks having failed.
fn in_an_outage() -> Scheduler {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(0), [1]);
    let delivery = deliveries(&mut scheduler, at(0))[0].1;
    fail(&mut scheduler, at(1), delivery, FailureScope::Unreachable);
    queue(&mut scheduler, at(1), [2, 3]);
    assert_eq!(deliveries(&mut scheduler, at(1)), []);
    scheduler
}

#[test]
fn a_held_chunk_is_offered_to_nobody_and_holds_up_no_other() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(0), [1, 2]);
    assert!(scheduler.hold(id(1)));
    assert!(!scheduler.hold(id(1)), "once is enough");
    let started = deliveries(&mut scheduler, at(1));
    assert_eq!(chunks_of(&started), [id(2)]);
    assert_eq!(scheduler.owed_count(0), 2, "it is owed as ever");
    assert_eq!(scheduler.next_wakeup(), Wakeup::default());
    assert!(scheduler.release(at(9), id(1)));
    assert!(!scheduler.release(at(9), id(1)));
    assert_eq!(chunks_of(&deliveries(&mut scheduler, at(9))), [id(1)]);
}

#[test]
fn a_chunk_may_be_held_before_it_is_queued_and_while_it_is_in_flight() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    scheduler.staged(at(0), staged(1, at(0), None));
    scheduler.hold(id(1));
    scheduler.flush_all();
    assert_eq!(scheduler.poll(at(0)), Some(seal(1, SealReason::Request)));
    queue(&mut scheduler, at(1), [1, 2]);
    let started = deliveries(&mut scheduler, at(1));
    assert_eq!(chunks_of(&started), [id(2)]);
    // What is in flight ends as ever; only if it is not taken, it is held.
    scheduler.hold(id(2));
    fail(&mut scheduler, at(1), started[0].1, FailureScope::Chunk);
    assert_eq!(deliveries(&mut scheduler, at(100)), []);
    scheduler.release(at(100), id(2));
    let started = deliveries(&mut scheduler, at(100));
    scheduler.hold(id(2));
    delivered(&mut scheduler, at(101), started[0].1);
    assert!(!scheduler.is_held(id(2)), "it is gone");
}

#[test]
fn later_chunks_of_a_lane_wait_behind_a_held_one() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    for (number, lane) in [(1, 7), (2, 7), (3, 8)] {
        let chunk = Queued {
            lane: std::num::NonZeroU64::new(lane),
            ..queued(number, vec![owed(0, None)])
        };
        scheduler.queued(at(0), chunk);
    }
    scheduler.hold(id(1));
    let started = deliveries(&mut scheduler, at(0));
    assert_eq!(chunks_of(&started), [id(3)]);
    delivered(&mut scheduler, at(1), started[0].1);
    assert!(scheduler.waits_for_operator(0), "nothing else can go");
    scheduler.release(at(1), id(1));
    assert!(!scheduler.waits_for_operator(0));
    let started = deliveries(&mut scheduler, at(1));
    assert_eq!(chunks_of(&started), [id(1)]);
    delivered(&mut scheduler, at(2), started[0].1);
    assert_eq!(chunks_of(&deliveries(&mut scheduler, at(2))), [id(2)]);
}

#[test]
fn a_held_chunk_neither_expires_nor_makes_room_and_expires_when_it_is_released_too_late() {
    let policy = FlushPolicy {
        max_age: Some(Duration::from_secs(10)),
        ..policy(FlushMode::Lazy)
    };
    let mut scheduler = Scheduler::new(policy, &[ONE], 1);
    scheduler.hold(id(2));
    queue(&mut scheduler, at(0), [1, 2]);
    scheduler.hold(id(1));
    assert_eq!(poll_all(&mut scheduler, at(60)), []);
    assert_eq!(scheduler.oldest(), None);
    scheduler.release(at(60), id(1));
    scheduler.release(at(60), id(2));
    let expired: Vec<_> = poll_all(&mut scheduler, at(60))
        .into_iter()
        .map(|decision| match decision {
            Decision::Expire(burial) => burial.chunk,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(expired, [id(1), id(2)]);
}

#[test]
fn the_time_a_chunk_is_held_does_not_count_against_its_retries() {
    let retry = RetryPlan {
        forever: false,
        timeout: Duration::from_secs(10),
        ..retry()
    };
    let mut scheduler = with_retry(retry, &[ONE]);
    queue(&mut scheduler, at(0), [1]);
    let delivery = deliveries(&mut scheduler, at(0))[0].1;
    fail(&mut scheduler, at(0), delivery, FailureScope::Chunk);
    scheduler.hold(id(1));
    scheduler.release(at(1_000), id(1));
    let delivery = deliveries(&mut scheduler, at(1_000))[0].1;
    let resolved = fail(&mut scheduler, at(1_000), delivery, FailureScope::Chunk);
    assert!(
        matches!(resolved, Resolved::Retrying { .. }),
        "{resolved:?}"
    );
}

#[test]
fn what_is_stopped_starts_nothing_and_does_not_wake_anybody() {
    let mut scheduler = Scheduler::new(policy(FlushMode::Lazy), &[ONE, ONE], 1);
    assert!(scheduler.stop_destination(0, true));
    assert!(!scheduler.stop_destination(0, true));
    scheduler.queued(at(0), queued(1, vec![owed(0, None), owed(1, None)]));
    let started = deliveries(&mut scheduler, at(0));
    assert_eq!(started.len(), 1, "the other destination goes on");
    // A retry that is due does not make the driver look again and again.
    let delivery = started[0].1;
    scheduler.stop_route(true);
    fail(&mut scheduler, at(0), delivery, FailureScope::Unreachable);
    assert_eq!(deliveries(&mut scheduler, at(100)), []);
    assert_eq!(scheduler.next_wakeup(), Wakeup::default());
    assert!(scheduler.waits_for_operator(1));
    scheduler.stop_route(false);
    assert!(!scheduler.waits_for_operator(1) && scheduler.waits_for_operator(0));
    assert_eq!(deliveries(&mut scheduler, at(100)).len(), 1);
    scheduler.stop_destination(0, false);
    assert_eq!(deliveries(&mut scheduler, at(100)).len(), 1);
}

#[test]
fn a_chunk_is_retried_at_once_when_asked_for_and_before_older_ones() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(0), [1]);
    let delivery = deliveries(&mut scheduler, at(0))[0].1;
    fail(&mut scheduler, at(0), delivery, FailureScope::Chunk);
    assert_eq!(deliveries(&mut scheduler, at(0)), []);
    assert_eq!(scheduler.retry_chunk(at(0), id(1)), 1);
    assert_eq!(chunks_of(&deliveries(&mut scheduler, at(0))), [id(1)]);
    assert_eq!(scheduler.retry_chunk(at(0), id(1)), 0, "it is in flight");
    assert_eq!(scheduler.retry_chunk(at(0), id(9)), 0, "there is none");

    let mut scheduler = in_an_outage();
    assert_eq!(scheduler.retry_chunk(at(1), id(3)), 1);
    let started = deliveries(&mut scheduler, at(1));
    assert_eq!(chunks_of(&started), [id(3)], "the only probe");
}

#[test]
fn a_destination_is_looked_at_when_asked_for_and_nothing_waits_any_more() {
    let mut scheduler = in_an_outage();
    assert!(scheduler.retry_destination(at(1), 0));
    let started = deliveries(&mut scheduler, at(1));
    assert_eq!(started.len(), 1, "one probe, as ever");
    delivered(&mut scheduler, at(1), started[0].1);
    assert_eq!(deliveries(&mut scheduler, at(1)).len(), 2);
    assert!(!scheduler.retry_destination(at(1), 0));
}

#[test]
fn a_queued_chunk_is_buried_for_all_its_destinations_when_asked_for() {
    let mut scheduler = Scheduler::new(policy(FlushMode::Lazy), &[ONE, ONE], 1);
    assert_eq!(
        scheduler.bury(at(0), id(1), "why").unwrap_err(),
        Unburied::NotQueued
    );
    scheduler.queued(at(0), queued(1, vec![owed(0, None), owed(1, None)]));
    scheduler.hold(id(1));
    let burials = scheduler.bury(at(0), id(1), "why").unwrap();
    assert_eq!(burials.len(), 2);
    assert_eq!(
        scheduler.bury(at(0), id(1), "why").unwrap_err(),
        Unburied::Busy
    );
    assert_eq!(poll_all(&mut scheduler, at(0)), []);
    for burial in burials {
        assert_eq!(
            (burial.cause, &*burial.retry.last_reason, burial.records),
            (Cause::Operator, "why", None)
        );
        let after = scheduler.buried(at(1), id(1), burial.destination);
        assert_eq!(after, AfterBurial::Settled);
    }
    assert!(scheduler.is_idle() && !scheduler.is_held(id(1)));
}

#[test]
fn a_chunk_in_flight_is_not_buried() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue(&mut scheduler, at(0), [1]);
    let delivery = deliveries(&mut scheduler, at(0))[0].1;
    assert_eq!(
        scheduler.bury(at(0), id(1), "why").unwrap_err(),
        Unburied::Busy
    );
    delivered(&mut scheduler, at(1), delivery);
    assert!(scheduler.is_idle());
}
