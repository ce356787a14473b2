use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

use tokio::time::Instant;

use super::*;
use crate::output::testing::{chunk, numbered};
use crate::output::{Instance, Way};

type Log = Arc<Mutex<Vec<String>>>;

/// Notes what is called, and answers with what the test has laid out.
struct Noting {
    log: Log,
    answers: Mutex<Vec<Outcome>>,
    batch: Vec<Prepared>,
}

impl BatchWriter for Noting {
    fn batch(&mut self, data: Prepared) {
        let text = String::from_utf8(data.to_vec()).unwrap();
        self.log.lock().unwrap().push(format!("batch {text}"));
        self.batch.push(data);
    }

    fn commit(&mut self) -> BoxFuture<'_, Outcome> {
        Box::pin(async {
            let began = format!("commit {}", self.batch.len());
            self.log.lock().unwrap().push(began);
            // Who called `batch` meanwhile would be between these two.
            tokio::time::sleep(Duration::from_millis(10)).await;
            let answer = self.answers.lock().unwrap().pop();
            let answer = answer.unwrap_or(Outcome::Delivered);
            if matches!(answer, Outcome::Delivered | Outcome::Reject { .. }) {
                self.batch.clear();
            }
            self.log.lock().unwrap().push("end".to_owned());
            answer
        })
    }

    fn on(&mut self, event: LifecycleEvent) {
        self.log.lock().unwrap().push(format!("{event:?}"));
    }
}

/// The event's number as text; refuses number 9.
fn numbers(event: EventRef<'_>, out: &mut Prepared) -> Result<(), String> {
    let record: serde_json::Value = event.decode().map_err(|error| error.to_string())?;
    match record["n"].as_u64() {
        Some(9) => Err("9 is not liked".to_owned()),
        Some(1) => Ok(()),
        n => {
            out.extend_from_slice(format!("{}{}", event.tag, n.unwrap()).as_bytes());
            Ok(())
        }
    }
}

struct Rig {
    instance: Instance,
    log: Log,
}

type Ended = Arc<Mutex<Option<Outcome>>>;

/// A runner whose commits end with `answers`, then with success.
fn rig(triggers: Triggers, mut answers: Vec<Outcome>) -> Rig {
    answers.reverse();
    let log = Log::default();
    let writer = Noting {
        log: Arc::clone(&log),
        answers: Mutex::new(answers),
        batch: Vec::new(),
    };
    Rig {
        instance: Instance::new(runner(numbers, writer, triggers)),
        log,
    }
}

impl Rig {
    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    async fn deliver(&self, chunk: Chunk) -> Ended {
        let ended = Ended::default();
        let told = Arc::clone(&ended);
        let resolve = move |outcome| *told.lock().unwrap() = Some(outcome);
        let delivery = Delivery::new(chunk, Box::new(resolve));
        self.instance.deliver(Way::Deferred, delivery).await;
        ended
    }
}

async fn ended(ended: &Ended) -> Outcome {
    loop {
        if let Some(outcome) = ended.lock().unwrap().clone() {
            return outcome;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn of(tag: &str, count: u32) -> Chunk {
    chunk(&[(tag, numbered(count, 0))])
}

fn later() -> Outcome {
    Outcome::Retry(Failure::new(FailureScope::Destination, "later"))
}

#[tokio::test(start_paused = true)]
async fn h17_h19_the_ticker_commits_and_only_then_is_the_delivery_committed() {
    let rig = rig(Triggers::default(), Vec::new());
    let began = Instant::now();
    let first = rig.deliver(of("a", 3)).await;
    let second = rig.deliver(of("b", 1)).await;
    assert!(first.lock().unwrap().is_none(), "batch must not send");
    assert_eq!(ended(&first).await, Outcome::Delivered);
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(ended(&second).await, Outcome::Delivered);
    // The event 1 has no data, as its `prepare` says.
    assert_eq!(
        rig.log(),
        ["batch a0", "batch a2", "batch b0", "commit 3", "end"]
    );
}

#[tokio::test(start_paused = true)]
async fn h19_the_size_commits_before_the_ticker() {
    let triggers = Triggers {
        size_max: 4,
        interval: Duration::from_secs(3_600),
        ..Triggers::default()
    };
    let rig = rig(triggers, Vec::new());
    let began = Instant::now();
    let first = rig.deliver(of("a", 1)).await;
    let second = rig.deliver(of("b", 1)).await;
    assert_eq!(ended(&first).await, Outcome::Delivered);
    assert_eq!(ended(&second).await, Outcome::Delivered);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn h19_a_commit_that_fails_keeps_its_batch_and_is_tried_again_alone() {
    let rig = rig(Triggers::default(), vec![later(), later()]);
    let first = rig.deliver(of("a", 1)).await;
    while rig.log.lock().unwrap().len() < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let second = rig.deliver(of("b", 1)).await;
    assert_eq!(ended(&first).await, Outcome::Delivered);
    assert_eq!(ended(&second).await, Outcome::Delivered);
    assert_eq!(
        rig.log(),
        [
            "batch a0", "commit 1", "end", "commit 1", "end", "commit 1", "end", "batch b0",
            "commit 1", "end"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn h19_a_chunk_that_is_given_again_is_not_in_the_batch_twice() {
    let rig = rig(Triggers::default(), vec![later()]);
    let chunk = of("a", 1);
    let taken_back = rig.deliver(chunk.clone()).await;
    let again = rig.deliver(chunk).await;
    assert_eq!(ended(&again).await, Outcome::Delivered);
    assert!(matches!(ended(&taken_back).await, Outcome::Retry(_)));
    let batched = rig.log().iter().filter(|call| *call == "batch a0").count();
    assert_eq!(batched, 1);
}

#[tokio::test(start_paused = true)]
async fn heka_trap_b_what_was_sent_is_not_sent_again_by_the_next_tick() {
    let rig = rig(Triggers::default(), Vec::new());
    for tag in ["a", "b"] {
        let delivered = rig.deliver(of(tag, 1)).await;
        assert_eq!(ended(&delivered).await, Outcome::Delivered);
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(
        rig.log(),
        ["batch a0", "commit 1", "end", "batch b0", "commit 1", "end"]
    );
}

#[tokio::test(start_paused = true)]
async fn h17_heka_trap_f_a_stop_commits_the_open_batch_first() {
    let rig = rig(
        Triggers {
            interval: Duration::from_secs(3_600),
            ..Triggers::default()
        },
        Vec::new(),
    );
    let delivered = rig.deliver(of("a", 1)).await;
    let log = Arc::clone(&rig.log);
    let deadline = Instant::now() + Duration::from_secs(5);
    rig.instance.close(deadline).await;
    assert_eq!(ended(&delivered).await, Outcome::Delivered);
    let log = log.lock().unwrap();
    assert_eq!(log[0], "batch a0");
    assert!(
        log[1].starts_with("Urgent") && log[2].starts_with("Drain"),
        "{log:?}"
    );
    assert_eq!(log[3..], ["commit 1", "end"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_last_commit_does_not_take_is_rolled_back() {
    let rig = rig(Triggers::default(), vec![later(), later(), later()]);
    let delivered = rig.deliver(of("a", 1)).await;
    let deadline = Instant::now() + Duration::from_millis(1);
    rig.instance.close(deadline).await;
    assert!(matches!(ended(&delivered).await, Outcome::Retry(_)));
}

#[tokio::test(start_paused = true)]
async fn h20_an_event_that_cannot_be_prepared_rejects_its_chunk_alone() {
    let rig = rig(Triggers::default(), Vec::new());
    let bad = rig.deliver(of("a", 10)).await;
    let good = rig.deliver(of("b", 1)).await;
    let reason = "9 is not liked".to_owned();
    assert_eq!(ended(&bad).await, Outcome::Reject { reason });
    assert_eq!(ended(&good).await, Outcome::Delivered);
    assert_eq!(rig.log(), ["batch b0", "commit 1", "end"]);
}

#[tokio::test]
async fn h20_many_prepare_at_once() {
    // Nobody passes before two are there.
    let both = Arc::new(Barrier::new(2));
    let waiting = Arc::clone(&both);
    let prepare = move |event: EventRef<'_>, out: &mut Prepared| {
        waiting.wait();
        numbers(event, out)
    };
    let log = Log::default();
    let writer = Noting {
        log: Arc::clone(&log),
        answers: Mutex::default(),
        batch: Vec::new(),
    };
    let triggers = Triggers {
        interval: Duration::from_millis(1),
        ..Triggers::default()
    };
    let rig = Rig {
        instance: Instance::new(runner(prepare, writer, triggers)),
        log,
    };
    let (a, b) = tokio::join!(rig.deliver(of("a", 1)), rig.deliver(of("b", 1)));
    assert_eq!(ended(&a).await, Outcome::Delivered);
    assert_eq!(ended(&b).await, Outcome::Delivered);
}

#[test]
fn heka_trap_d_h20_h24_memory_is_used_again_empty_and_in_bounds() {
    let pool = Pool::new(2);
    let mut used = pool.take();
    used.extend_from_slice(b"something");
    let place = used.as_ptr();
    drop(used);
    let again = pool.take();
    assert!(again.is_empty());
    assert_eq!(again.as_ptr(), place, "the same memory");
    let mut many: Vec<_> = (0..5).map(|_| pool.take()).collect();
    many.iter_mut()
        .for_each(|data| data.extend_from_slice(b"x"));
    drop((again, many));
    assert_eq!(pool.free_count(), 2);
    let mut large = pool.take();
    large.resize(1 << 20, 0);
    drop(large);
    assert_eq!(pool.free_count(), 1, "what is large is freed");
}

/// Fails once in the middle of a batch.
struct FailingOnce {
    written: Log,
    failures_left: Arc<AtomicUsize>,
}

impl Writer for FailingOnce {
    fn write<'a>(&'a mut self, data: &'a Prepared) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let text = String::from_utf8(data.to_vec()).unwrap();
            if text == "a2" && self.failures_left.swap(0, Ordering::Relaxed) > 0 {
                return later();
            }
            self.written.lock().unwrap().push(text);
            Outcome::Delivered
        })
    }
}

#[tokio::test(start_paused = true)]
async fn h18_a_writer_goes_on_with_what_it_has_not_written() {
    let written = Log::default();
    let writer = FailingOnce {
        written: Arc::clone(&written),
        failures_left: Arc::new(AtomicUsize::new(1)),
    };
    let rig = Rig {
        instance: Instance::new(runner(numbers, one_by_one(writer), Triggers::default())),
        log: Log::default(),
    };
    let delivered = rig.deliver(of("a", 4)).await;
    assert_eq!(ended(&delivered).await, Outcome::Delivered);
    assert_eq!(*written.lock().unwrap(), ["a0", "a2", "a3"]);
}
