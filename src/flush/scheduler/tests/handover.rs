//! A scheduler that takes over from another.

use super::*;

/// A delivery of the chunk 1 is in flight when the scheduler retires; its successor knows the chunk.
fn retired(now: Now) -> (Scheduler, DeliveryId, Scheduler) {
    let mut before = scheduler(FlushMode::Interval);
    queue(&mut before, now, [1]);
    let started = deliveries(&mut before, now);
    before.retire();
    let mut after = scheduler(FlushMode::Interval);
    queue(&mut after, now, [1]);
    (before, started[0].1, after)
}

#[test]
fn a_retired_scheduler_starts_nothing_and_ends_what_it_has_begun() {
    let with_take_back = DestinationPolicy {
        take_back_after: Some(Duration::from_secs(9)),
        ..ONE
    };
    let mut scheduler = Scheduler::new(policy(FlushMode::Interval), &[with_take_back], 1);
    queue(&mut scheduler, at(0), [1, 2, 3]);
    let started = deliveries(&mut scheduler, at(0));
    assert_eq!(started.len(), 2);
    scheduler.staged(at(0), staged(4, at(0), None));
    scheduler.retire();
    let delivered = scheduler.resolve(at(5), started[0].1, Outcome::Delivered);
    assert!(matches!(delivered, Resolved::Delivered { .. }));
    assert!(!scheduler.is_at_rest());
    assert_eq!(scheduler.poll(at(8)), None, "no seal and no delivery");
    assert_eq!(
        scheduler.next_wakeup().monotonic,
        Some(Duration::from_secs(9))
    );
    let taken_back = scheduler.poll(at(9));
    assert!(matches!(taken_back, Some(Decision::TakeBack { .. })));
    assert!(scheduler.is_at_rest());
    assert_eq!(scheduler.poll(at(1_000)), None);
}

#[test]
fn a_successor_waits_for_what_is_in_flight_and_goes_on_with_what_came_of_it() {
    let (mut before, delivery, mut after) = retired(at(0));
    let refused = deliveries(&mut after, at(1));
    after.park(at(1), refused[0].1);
    assert_eq!(deliveries(&mut after, at(1_000)), [], "somebody has it");

    let Resolved::Retrying { retry, .. } =
        fail(&mut before, at(2), delivery, FailureScope::Destination)
    else {
        panic!("it is tried again");
    };
    after.give_back(at(2), id(1), 0, Some(retry));
    assert_eq!(deliveries(&mut after, at(2)), [], "it waits for its time");
    let again = deliveries(&mut after, at(3));
    assert_eq!(again.len(), 1);
    let Resolved::Retrying { retry, .. } =
        fail(&mut after, at(3), again[0].1, FailureScope::Destination)
    else {
        panic!("it is tried again");
    };
    assert_eq!(retry.failure_count, 2, "the count goes on");
}

#[test]
fn what_comes_back_before_the_successor_looks_is_in_its_queue_once() {
    let (mut before, delivery, mut after) = retired(at(0));
    let Resolved::Retrying { retry, .. } =
        fail(&mut before, at(2), delivery, FailureScope::Destination)
    else {
        panic!("it is tried again");
    };
    after.give_back(at(2), id(1), 0, Some(retry.clone()));
    after.give_back(at(2), id(1), 0, Some(retry));
    after.give_back(at(2), id(1), 0, None);
    assert_eq!(deliveries(&mut after, at(2)), []);
    let started = deliveries(&mut after, at(3));
    assert_eq!(started.len(), 1);
    after.give_back(at(3), id(1), 0, None);
    assert_eq!(deliveries(&mut after, at(1_000)), [], "it is in flight");
}

#[test]
fn what_was_delivered_meanwhile_is_settled_for_that_destination_only() {
    let mut after = Scheduler::new(policy(FlushMode::Interval), &[ONE, ONE], 1);
    after.queued(at(0), queued(1, vec![owed(0, None), owed(1, None)]));
    after.settled(id(1), 0);
    after.settled(id(1), 0);
    assert_eq!((after.owed_count(0), after.owed_count(1)), (0, 1));
    assert_eq!(deliveries(&mut after, at(0)).len(), 1);
    after.give_back(at(0), id(1), 0, None);
    assert_eq!(deliveries(&mut after, at(9)).len(), 0);
}

#[test]
fn histories_tell_of_every_chunk_that_was_tried() {
    let mut scheduler = scheduler(FlushMode::Interval);
    queue(&mut scheduler, at(0), [1, 2]);
    let started = deliveries(&mut scheduler, at(0));
    fail(&mut scheduler, at(1), started[0].1, FailureScope::Chunk);
    let histories = scheduler.histories(at(1));
    assert_eq!(histories.len(), 1);
    assert_eq!(histories[&(id(1), 0)].failure_count, 1);
}

#[test]
fn what_the_operator_has_stopped_and_holds_stays_so_by_name() {
    let mut before = Scheduler::new(policy(FlushMode::Interval), &[ONE, ONE], 1);
    before.stop_destination(1, true);
    before.hold(id(1));
    // The second destination is the first now, and there is one more.
    let mut after = Scheduler::new(policy(FlushMode::Interval), &[ONE, ONE], 1);
    after.obey_as(&before, |index| (index == 1).then_some(0));
    for number in [1, 2] {
        after.queued(at(0), queued(number, vec![owed(0, None), owed(1, None)]));
    }
    let started = deliveries(&mut after, at(0));
    assert_eq!(
        started.len(),
        1,
        "one chunk, to the destination that is new"
    );
    assert_eq!(started[0].0, id(2));
    assert!(after.is_destination_stopped(0) && !after.is_destination_stopped(1));
    let retry = RetryState::none(at(0).unix_ns);
    after.give_back(at(1), id(1), 1, Some(retry));
    assert_eq!(deliveries(&mut after, at(9)), [], "it is held");
    after.release(at(9), id(1));
    assert_eq!(deliveries(&mut after, at(9)).len(), 1);
}
