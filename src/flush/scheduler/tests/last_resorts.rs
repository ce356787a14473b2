//! What happens to what a destination does not take.

use std::collections::BTreeSet;

use super::*;

/// A chunk with so many events.
fn queue_events(scheduler: &mut Scheduler, now: Now, number: u8, event_count: u64) {
    let chunk = Queued {
        event_count,
        ..queued(number, vec![owed(0, None)])
    };
    scheduler.queued(now, chunk);
}

fn spent_after(times: u32) -> RetryPlan {
    RetryPlan {
        forever: false,
        max_times: Some(times),
        ..retry()
    }
}

fn reject() -> Outcome {
    Outcome::Reject {
        reason: "400".to_owned(),
    }
}

fn poison() -> Outcome {
    Outcome::Retry(Failure::new(FailureScope::Chunk, "500"))
}

fn away() -> Outcome {
    Outcome::Retry(Failure::new(FailureScope::Unreachable, "refused"))
}

/// One delivery that starts now.
#[derive(Debug, PartialEq)]
struct Started {
    chunk: ChunkId,
    delivery: DeliveryId,
    via: Via,
    /// Places of the records.
    records: BTreeSet<u64>,
}

fn start(scheduler: &mut Scheduler, now: Now, event_count: u64) -> Vec<Started> {
    poll_all(scheduler, now)
        .into_iter()
        .filter_map(|decision| match decision {
            Decision::Deliver {
                chunk,
                delivery,
                via,
                records,
                ..
            } => Some(Started {
                chunk,
                delivery,
                via,
                records: records
                    .unwrap_or(RangeSet::first(event_count))
                    .ranges()
                    .flatten()
                    .collect(),
            }),
            _ => None,
        })
        .collect()
}

/// A destination that answers by what it is given, until nothing is owed.
struct Run {
    attempts: u32,
    /// By whom each record was confirmed.
    confirmed: Vec<(u64, Via)>,
    /// Records that were buried, with why.
    buried: Vec<(u64, Cause, String, u32)>,
    seconds: u64,
}

fn run(
    scheduler: &mut Scheduler,
    event_count: u64,
    mut answer: impl FnMut(&Started) -> Outcome,
) -> Run {
    let mut run = Run {
        attempts: 0,
        confirmed: Vec::new(),
        buried: Vec::new(),
        seconds: 0,
    };
    while !scheduler.is_idle() {
        let now = at(run.seconds);
        let started = start(scheduler, now, event_count);
        if started.is_empty() {
            run.seconds += 1;
            assert!(run.seconds < 100_000, "it never ends");
        }
        for started in started {
            run.attempts += 1;
            let outcome = answer(&started);
            let before = started.records.clone();
            let resolved = scheduler.resolve(now, started.delivery, outcome.clone());
            note(
                scheduler,
                now,
                event_count,
                &mut run,
                &before,
                started.via,
                &outcome,
                resolved,
            );
        }
    }
    run
}

#[expect(clippy::too_many_arguments, reason = "a step of one test loop")]
fn note(
    scheduler: &mut Scheduler,
    now: Now,
    event_count: u64,
    run: &mut Run,
    offered: &BTreeSet<u64>,
    via: Via,
    outcome: &Outcome,
    resolved: Resolved,
) {
    let offered: Vec<u64> = offered.iter().copied().collect();
    match outcome {
        Outcome::Delivered => run
            .confirmed
            .extend(offered.iter().map(|place| (*place, via))),
        Outcome::Partial { done, .. } => {
            let done = done.ranges().flatten();
            let done = done.map(|place| offered[usize::try_from(place).unwrap()]);
            run.confirmed.extend(done.map(|place| (place, via)));
        }
        Outcome::Retry(_) | Outcome::Reject { .. } => {}
    }
    let Resolved::Bury { mut burial, .. } = resolved else {
        return;
    };
    loop {
        let records = burial
            .records
            .clone()
            .unwrap_or(RangeSet::first(event_count));
        let retry = &burial.retry;
        run.buried.extend(records.ranges().flatten().map(|place| {
            let answer = retry.last_reason.clone();
            (place, burial.cause, answer, retry.failure_count)
        }));
        match scheduler.buried(now, burial.chunk, burial.destination) {
            AfterBurial::Next(next) => burial = next,
            AfterBurial::Open(_) => return scheduler.resume(burial.chunk, burial.destination),
            AfterBurial::Settled | AfterBurial::Gone => return,
        }
    }
}

impl Run {
    fn buried_places(&self) -> Vec<u64> {
        let mut places: Vec<_> = self.buried.iter().map(|(place, ..)| *place).collect();
        places.sort_unstable();
        places
    }

    fn confirmed_places(&self) -> Vec<u64> {
        let mut places: Vec<_> = self.confirmed.iter().map(|(place, _)| *place).collect();
        places.sort_unstable();
        places
    }
}

fn all_but(count: u64, bad: &[u64]) -> Vec<u64> {
    (0..count).filter(|place| !bad.contains(place)).collect()
}

#[test]
fn a_rejected_record_is_found_and_the_rest_delivered_once() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue_events(&mut scheduler, at(0), 1, 1_000);
    let run = run(&mut scheduler, 1_000, |started| {
        if started.records.contains(&617) {
            reject()
        } else {
            Outcome::Delivered
        }
    });
    assert_eq!(run.confirmed_places(), all_but(1_000, &[617]));
    let [(617, Cause::Rejected, answer, attempts)] = &run.buried[..] else {
        panic!("{:?}", run.buried)
    };
    assert_eq!((answer.as_str(), *attempts), ("400", 11));
    assert!(run.attempts <= 21, "{}", run.attempts);
    assert_eq!(scheduler.search_count(0), 1);
    assert_eq!(run.seconds, 0, "nothing waits for it");
}

#[test]
fn a_chunk_that_keeps_failing_is_cut_up_before_its_retries_are_spent() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue_events(&mut scheduler, at(0), 1, 100);
    let mut rounds = 0;
    let run = run(&mut scheduler, 100, |started| {
        let is_bad = started.records.contains(&42);
        rounds += u32::from(is_bad && started.records.len() == 1);
        // It is cured at last: retries are for ever.
        if is_bad && rounds < 4 {
            poison()
        } else {
            Outcome::Delivered
        }
    });
    assert_eq!(run.confirmed_places(), all_but(100, &[]));
    assert_eq!(run.confirmed.last(), Some(&(42, Via::Primary)));
    assert!(run.buried.is_empty());
}

#[test]
fn what_fails_alone_when_the_retries_are_spent_is_given_up_with_its_attempts() {
    let mut scheduler = with_retry(spent_after(2), &[ONE]);
    queue_events(&mut scheduler, at(0), 1, 100);
    let run = run(&mut scheduler, 100, |started| {
        if started.records.contains(&0) {
            poison()
        } else {
            Outcome::Delivered
        }
    });
    assert_eq!(run.confirmed_places(), all_but(100, &[0]));
    let [(0, Cause::Exhausted, answer, attempts)] = &run.buried[..] else {
        panic!("{:?}", run.buried)
    };
    // Three before the search, and 50, 25, 12, 6, 3, 1 records in it.
    assert_eq!((answer.as_str(), *attempts), ("500", 9));
}

#[test]
fn no_search_is_made_while_the_destination_is_away() {
    let mut scheduler = with_retry(spent_after(2), &[ONE]);
    queue_events(&mut scheduler, at(0), 1, 100);
    let whole = run(&mut scheduler, 100, |started| {
        assert_eq!(started.records.len(), 100, "it is not cut up");
        away()
    });
    assert_eq!(whole.buried_places(), all_but(100, &[]));
    // Going away in the middle of a search uses up no part's retries.
    queue_events(&mut scheduler, at(whole.seconds), 2, 100);
    let base = whole.seconds;
    let mut outages = 0;
    let mut now = base;
    while !scheduler.is_idle() {
        let started = start(&mut scheduler, at(now), 100);
        now += u64::from(started.is_empty());
        for started in started {
            let is_away = started.records.len() == 25 && outages < 2;
            outages += u32::from(is_away);
            let outcome = match (is_away, started.records.contains(&3)) {
                (true, _) => away(),
                (false, true) => reject(),
                (false, false) => Outcome::Delivered,
            };
            let resolved = scheduler.resolve(at(now), started.delivery, outcome);
            if let Resolved::Bury { burial, .. } = resolved {
                assert_eq!(burial.records, Some(RangeSet::from(3..4)));
                if let AfterBurial::Open(_) = scheduler.buried(at(now), burial.chunk, 0) {
                    scheduler.resume(burial.chunk, 0);
                }
            }
        }
    }
    assert_eq!(outages, 2);
}

#[test]
fn with_bisect_off_a_rejected_chunk_is_buried_whole() {
    let policy = FlushPolicy {
        bisect: false,
        ..policy(FlushMode::Lazy)
    };
    let mut scheduler = Scheduler::new(policy, &[ONE], 1);
    queue_events(&mut scheduler, at(0), 1, 100);
    let run = run(&mut scheduler, 100, |_| reject());
    assert_eq!((run.attempts, run.buried.len()), (1, 100));
}

#[test]
fn a_poison_chunk_that_is_cut_up_stops_nobody() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue_events(&mut scheduler, at(0), 1, 4_096);
    queue(&mut scheduler, at(0), 2..=40);
    let run = run(&mut scheduler, 4_096, |started| {
        let is_bad = started.chunk == id(1) && started.records.contains(&4_000);
        if is_bad { reject() } else { Outcome::Delivered }
    });
    assert_eq!((run.buried_places(), run.seconds), (vec![4_000], 0));
    assert!(!scheduler.is_open(0));
}

#[test]
fn part_of_a_chunk_is_done_part_is_rejected_and_only_the_rest_is_offered_again() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    queue_events(&mut scheduler, at(0), 1, 10);
    let mut offers = Vec::new();
    let run = run(&mut scheduler, 10, |started| {
        offers.push(started.records.iter().copied().collect::<Vec<_>>());
        match offers.len() {
            1 => Outcome::Partial {
                done: RangeSet::from(0..4),
                rejected: vec![Rejection {
                    records: [3..5, 8..9].into_iter().collect(),
                    reason: "422".to_owned(),
                }],
            },
            2 => Outcome::Partial {
                done: RangeSet::from(1..2),
                rejected: Vec::new(),
            },
            _ => Outcome::Delivered,
        }
    });
    assert_eq!(offers, [(0..10).collect(), vec![5, 6, 7, 9], vec![5, 7, 9]]);
    assert_eq!(run.buried_places(), [4, 8], "a record that is done is done");
    assert!(run.buried.iter().all(|(_, _, answer, _)| answer == "422"));
    assert_eq!(run.confirmed_places(), all_but(10, &[4, 8]));
}

#[test]
fn a_part_that_is_never_taken_in_full_is_not_given_up_while_it_shrinks() {
    let mut scheduler = with_retry(spent_after(1), &[ONE]);
    queue_events(&mut scheduler, at(0), 1, 20);
    let run = run(&mut scheduler, 20, |_| Outcome::Partial {
        done: RangeSet::from(0..1),
        rejected: Vec::new(),
    });
    assert_eq!((run.attempts, run.confirmed.len()), (20, 20));
}

#[test]
fn what_was_left_before_a_restart_is_all_that_is_offered_after_it() {
    let mut before = scheduler(FlushMode::Lazy);
    queue_events(&mut before, at(0), 1, 10);
    let started = start(&mut before, at(0), 10);
    let done = RangeSet::from(2..10);
    let outcome = Outcome::Partial {
        done,
        rejected: Vec::new(),
    };
    let Resolved::Retrying { retry, taken, .. } =
        before.resolve(at(0), started[0].delivery, outcome)
    else {
        panic!("the rest waits")
    };
    assert_eq!(taken.unwrap().event_count, 8);
    assert_eq!(retry.left, Some(RangeSet::from(0..2)));
    let mut after = scheduler(FlushMode::Lazy);
    let chunk = Queued {
        event_count: 10,
        ..queued(1, vec![owed(0, Some(retry))])
    };
    after.queued(at(5), chunk);
    assert_eq!(
        start(&mut after, at(5), 10)[0].records,
        BTreeSet::from([0, 1])
    );
}

fn with_secondary(retry: RetryPlan) -> Scheduler {
    with_retry(retry, &[ONE]).with_secondary(ONE)
}

#[test]
fn the_secondary_is_used_at_its_threshold_once_and_the_primary_until_then() {
    // Retries at 1, 3, 7, 15, 31, 63: the threshold is at 0.8 * 60 s.
    let mut scheduler = with_secondary(RetryPlan {
        forever: false,
        timeout: Duration::from_secs(60),
        ..retry()
    });
    queue_events(&mut scheduler, at(0), 1, 3);
    let mut times = Vec::new();
    let mut now = 0;
    while !scheduler.is_idle() {
        let started = start(&mut scheduler, at(now), 3);
        now += u64::from(started.is_empty());
        for started in started {
            times.push((now, started.via));
            let outcome = match started.via {
                Via::Primary => Outcome::Retry(Failure::new(FailureScope::Destination, "503")),
                Via::Secondary => Outcome::Delivered,
            };
            let resolved = scheduler.resolve(at(now), started.delivery, outcome);
            assert!(!matches!(resolved, Resolved::Bury { .. }));
        }
    }
    assert_eq!(times.last(), Some(&(48, Via::Secondary)));
    assert_eq!(
        times
            .iter()
            .filter(|(_, via)| *via == Via::Secondary)
            .count(),
        1
    );
}

#[test]
fn the_threshold_counts_the_time_that_the_allowed_retries_need() {
    // Two retries need 1 s + 2 s; 0.8 of that is 2.4 s.
    let scheduler = with_secondary(spent_after(2));
    assert_eq!(
        scheduler.secondary_after,
        Some(Duration::from_millis(2_400))
    );
    assert_eq!(with_secondary(retry()).secondary_after, None, "for ever");
}

#[test]
fn with_retry_forever_failures_never_lead_to_the_secondary() {
    let mut scheduler = with_secondary(retry());
    queue_events(&mut scheduler, at(0), 1, 1);
    for now in (0..1_000_000).step_by(61) {
        for started in start(&mut scheduler, at(now), 1) {
            assert_eq!(started.via, Via::Primary);
            let failure = Failure::new(FailureScope::Destination, "503");
            let outcome = Outcome::Retry(failure);
            assert!(matches!(
                scheduler.resolve(at(now), started.delivery, outcome),
                Resolved::Retrying { .. }
            ));
        }
    }
}

#[test]
fn what_is_rejected_goes_to_the_secondary_even_with_retry_forever() {
    let mut scheduler = with_secondary(retry());
    queue_events(&mut scheduler, at(0), 1, 64);
    let bad = [5, 50];
    let run = run(&mut scheduler, 64, |started| {
        let is_bad = bad.iter().any(|place| started.records.contains(place));
        if started.via == Via::Primary && is_bad {
            reject()
        } else {
            Outcome::Delivered
        }
    });
    let by_secondary = run
        .confirmed
        .iter()
        .filter(|(_, via)| *via == Via::Secondary);
    let by_secondary: Vec<_> = by_secondary.map(|(place, _)| *place).collect();
    assert_eq!(by_secondary, bad, "in one delivery, those alone");
    assert_eq!(run.confirmed.len(), 64, "nothing twice");
    assert!(run.buried.is_empty());
}

#[test]
fn what_the_secondary_rejects_is_buried_with_both_answers() {
    let mut scheduler = with_secondary(retry());
    queue_events(&mut scheduler, at(0), 1, 1);
    let run = run(&mut scheduler, 1, |started| match started.via {
        Via::Primary => reject(),
        Via::Secondary => Outcome::Reject {
            reason: "413".to_owned(),
        },
    });
    let [(0, Cause::Rejected, answer, _)] = &run.buried[..] else {
        panic!("{:?}", run.buried)
    };
    assert_eq!(answer, "400; the secondary output: 413");
    assert_eq!(run.attempts, 2);
}

#[test]
fn a_secondary_that_fails_until_the_time_is_over_leaves_dead_letters() {
    let mut scheduler = with_secondary(RetryPlan {
        forever: false,
        timeout: Duration::from_secs(100),
        ..retry()
    });
    queue_events(&mut scheduler, at(0), 1, 4);
    let mut seen = Vec::new();
    let run = run(&mut scheduler, 4, |started| {
        seen.push(started.via);
        Outcome::Retry(Failure::new(FailureScope::Destination, "503"))
    });
    // The last attempt may have to wait for the breaker's next probe.
    assert!((100..=160).contains(&run.seconds), "{}", run.seconds);
    assert_eq!(run.buried.len(), 4);
    let first = seen.iter().position(|via| *via == Via::Secondary).unwrap();
    assert!(
        seen[first..].iter().all(|via| *via == Via::Secondary),
        "no way back"
    );
}

#[test]
fn chunks_that_wait_for_an_outage_to_end_reach_the_secondary_too() {
    let mut scheduler = with_secondary(RetryPlan {
        forever: false,
        timeout: Duration::from_secs(100),
        ..retry()
    });
    for number in 1..=50 {
        queue_events(&mut scheduler, at(0), number, 1);
    }
    let run = run(&mut scheduler, 1, |started| match started.via {
        Via::Primary => away(),
        Via::Secondary => Outcome::Delivered,
    });
    assert_eq!(run.confirmed.len(), 50);
    assert!(run.seconds <= 82, "{}", run.seconds);
    assert!(run.buried.is_empty());
}

fn with_max_age(seconds: u64) -> Scheduler {
    let policy = FlushPolicy {
        max_age: Some(Duration::from_secs(seconds)),
        ..policy(FlushMode::Lazy)
    };
    Scheduler::new(policy, &[ONE], 1)
}

#[test]
fn a_chunk_that_waits_longer_than_max_age_is_given_up() {
    let mut scheduler = with_max_age(10);
    queue(&mut scheduler, at(0), [1]);
    let delivery = deliveries(&mut scheduler, at(0))[0].1;
    let failure = Failure::new(FailureScope::Destination, "503");
    let failure = failure.not_before(Duration::from_secs(60));
    scheduler.resolve(at(0), delivery, Outcome::Retry(failure));
    let wakeup = scheduler.next_wakeup().monotonic;
    assert_eq!(wakeup, Some(Duration::from_secs(10)));
    assert!(poll_all(&mut scheduler, at_ms(9_999)).is_empty());
    let decisions = poll_all(&mut scheduler, at(10));
    let [Decision::Expire(burial)] = &decisions[..] else {
        panic!("{decisions:?}")
    };
    assert_eq!((burial.cause, burial.chunk), (Cause::Expired, id(1)));
    assert_eq!(burial.retry.last_reason, "503");
    assert_eq!(scheduler.oldest(), None, "it is held");
    assert_eq!(scheduler.buried(at(10), id(1), 0), AfterBurial::Settled);
    assert!(scheduler.is_idle());
    assert_eq!(scheduler.next_wakeup(), Wakeup::default());
}

#[test]
fn a_delivery_under_way_may_end_before_its_chunk_expires() {
    let mut scheduler = with_max_age(10);
    queue(&mut scheduler, at(0), [1, 2]);
    let running = deliveries(&mut scheduler, at(0));
    assert!(poll_all(&mut scheduler, at(11)).is_empty());
    let confirmed = scheduler.resolve(at(12), running[0].1, Outcome::Delivered);
    assert!(matches!(confirmed, Resolved::Delivered { .. }));
    let failed = fail(
        &mut scheduler,
        at(12),
        running[1].1,
        FailureScope::Destination,
    );
    let Resolved::Bury { burial, .. } = failed else {
        panic!("{failed:?}")
    };
    assert_eq!(burial.cause, Cause::Expired);
}

#[test]
fn the_age_counts_from_the_sealing_also_across_a_restart() {
    let mut scheduler = with_max_age(10);
    queue(&mut scheduler, at(7), [1]);
    let running = deliveries(&mut scheduler, at(7));
    fail(&mut scheduler, at(7), running[0].1, FailureScope::Chunk);
    let later = poll_all(&mut scheduler, at(10));
    assert!(matches!(
        later[..],
        [Decision::Deliver { .. } | Decision::Expire(_), ..]
    ));
    assert!(scheduler.chunks.values().all(|tracked| match tracked {
        Tracked::Queued(queued) => queued.is_expired,
        Tracked::Staged { .. } => false,
    }));
}

#[test]
fn a_burial_that_fails_leaves_everything_owed() {
    let mut scheduler = with_secondary(retry());
    queue_events(&mut scheduler, at(0), 1, 2);
    let mut buried = Vec::new();
    let mut now = 0;
    while !scheduler.is_idle() && now < 10_000 {
        let started = start(&mut scheduler, at(now), 2);
        now += u64::from(started.is_empty());
        for started in started {
            let resolved = scheduler.resolve(at(now), started.delivery, reject());
            let Resolved::Bury { burial, .. } = resolved else {
                continue;
            };
            if buried.is_empty() {
                scheduler.not_buried(at(now), burial.chunk, 0);
            } else {
                scheduler.buried(at(now), burial.chunk, 0);
            }
            buried.push(burial);
        }
    }
    assert!(scheduler.is_idle(), "{buried:?}");
    assert_eq!(buried[0].records, buried[1].records, "all of it, again");
}

#[test]
fn chunks_of_one_key_are_delivered_one_after_the_other_across_retries() {
    let mut scheduler = scheduler(FlushMode::Lazy);
    for (number, lane) in [(1, 1), (2, 1), (3, 2), (4, 1)] {
        let chunk = Queued {
            lane: std::num::NonZeroU64::new(lane),
            ..queued(number, vec![owed(0, None)])
        };
        scheduler.queued(at(0), chunk);
    }
    let first = deliveries(&mut scheduler, at(0));
    let ids: Vec<_> = first.iter().map(|(chunk, _)| *chunk).collect();
    assert_eq!(ids, [id(1), id(3)], "another key does not wait");
    fail(&mut scheduler, at(0), first[0].1, FailureScope::Chunk);
    scheduler.resolve(at(0), first[1].1, Outcome::Delivered);
    assert!(
        deliveries(&mut scheduler, at_ms(900)).is_empty(),
        "2 waits for 1"
    );
    let again = deliveries(&mut scheduler, at(1));
    assert_eq!(again[0].0, id(1));
    scheduler.purged(at(1), id(2));
    scheduler.resolve(at(1), again[0].1, Outcome::Delivered);
    assert_eq!(deliveries(&mut scheduler, at(1))[0].0, id(4));
}

proptest::proptest! {
    /// Whatever a destination and a secondary output say, in whatever order: nothing is offered
    /// that is settled, and each record ends confirmed or buried.
    #[test]
    fn every_record_is_confirmed_or_buried(
        event_count in 1_u64..40,
        has_secondary: bool,
        forever: bool,
        answers in proptest::collection::vec((0_u8..8, 0_u64..40, 0_u64..40), 0..60),
    ) {
        let plan = RetryPlan { forever, ..spent_after(3) };
        let mut scheduler = if has_secondary { with_secondary(plan) } else { with_retry(plan, &[ONE]) };
        queue_events(&mut scheduler, at(0), 1, event_count);
        let mut answers = answers.into_iter();
        let mut settled = BTreeSet::new();
        let run = run(&mut scheduler, event_count, |started| {
            assert!(settled.is_disjoint(&started.records), "offered again");
            assert!(!started.records.is_empty());
            let (kind, a, b) = answers.next().unwrap_or((0, 0, 0));
            let outcome = match kind {
                0 | 1 => Outcome::Delivered,
                2 => reject(),
                3 => away(),
                4 => Outcome::Retry(Failure::new(FailureScope::Destination, "503")),
                5 => poison(),
                _ => Outcome::Partial {
                    done: RangeSet::from(a.min(b)..a.max(b)).intersection(
                        &RangeSet::first(started.records.len() as u64),
                    ),
                    rejected: vec![Rejection {
                        records: RangeSet::from(b..b + u64::from(kind == 7)),
                        reason: "422".to_owned(),
                    }],
                },
            };
            match &outcome {
                Outcome::Delivered => settled.extend(started.records.iter().copied()),
                Outcome::Partial { done, .. } => {
                    let records: Vec<_> = started.records.iter().copied().collect();
                    let places = done.ranges().flatten();
                    settled.extend(places.map(|place| records[usize::try_from(place).unwrap()]));
                }
                _ => {}
            }
            outcome
        });
        let mut ends: Vec<_> = run.confirmed_places();
        ends.extend(run.buried_places());
        ends.sort_unstable();
        proptest::prop_assert_eq!(ends, all_but(event_count, &[]));
    }
}
