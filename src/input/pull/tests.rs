use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio_util::sync::CancellationToken;

use super::*;
use crate::buffer::{Accept, Intake, Pending};
use crate::clock::Clock;
use crate::event::{Record, entries};
use crate::input::InputStats;

/// Gives out what the test sends it, and says what is committed.
struct Scripted {
    script: Receiver<Step>,
    committed: Sender<u64>,
    position: u64,
}

enum Step {
    Raw(&'static [u8], Option<&'static str>),
    Decoded(Event),
    Fail,
    /// Waits until the test has dropped the other end.
    Hang(Receiver<()>),
    End,
}

impl Input for Scripted {
    fn read(&mut self, pack: &mut Pack, timeout: Duration) -> Result<Read, ReadError> {
        let Ok(step) = self.script.recv_timeout(timeout) else {
            return Ok(Read::Nothing);
        };
        self.position += 1;
        pack.set_position(self.position);
        match step {
            Step::Raw(bytes, decoder) => {
                pack.bytes_mut().extend_from_slice(bytes);
                decoder.into_iter().for_each(|name| pack.set_decoder(name));
            }
            Step::Decoded(event) => pack.set_event(event),
            Step::Fail => return Err("on purpose".into()),
            Step::Hang(until) => {
                let _ = until.recv();
                return Ok(Read::Nothing);
            }
            Step::End => return Ok(Read::End),
        }
        Ok(Read::Filled)
    }

    fn commit(&mut self, position: u64) {
        let _ = self.committed.send(position);
    }
}

/// Takes batches, unless the test makes it refuse so many first; each waits for the gate.
struct Store {
    taken: Mutex<Vec<(String, Vec<u8>)>>,
    refusals: AtomicU64,
    gate: tokio::sync::Semaphore,
}

impl Accept for Store {
    fn accept<'a>(
        &'a self,
        batch: Incoming<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<Pending, Refused>> + Send + 'a>> {
        Box::pin(async move {
            let _through = self.gate.acquire().await;
            if self.refusals.load(Relaxed) > 0 {
                self.refusals.fetch_sub(1, Relaxed);
                return Err(Refused::NotStored {
                    route: "r".to_owned(),
                    reason: "on purpose".to_owned(),
                });
            }
            let taken = (batch.tag.to_owned(), batch.payload.to_vec());
            self.taken.lock().unwrap().push(taken);
            Ok(Pending::new(1, 0, Box::pin(std::future::ready(Ok(())))))
        })
    }
}

struct Rig {
    script: Sender<Step>,
    committed: Receiver<u64>,
    store: Arc<Store>,
    stats: Arc<InputStats>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Rig {
    /// An input before a store with a gate that is open or closed.
    fn new(is_open: bool) -> Self {
        let (script, steps) = channel();
        let (commits, committed) = channel();
        let store = Arc::new(Store {
            taken: Mutex::default(),
            refusals: AtomicU64::new(0),
            gate: tokio::sync::Semaphore::new(usize::from(is_open)),
        });
        let context = InputContext {
            name: "test".into(),
            intake: Intake::new(Arc::clone(&store) as Arc<dyn Accept>),
            stats: Arc::default(),
            stop: CancellationToken::new(),
            clock: Clock::start(),
        };
        let scripted = Scripted {
            script: steps,
            committed: commits,
            position: 0,
        };
        let input = PullInput::new(scripted, "in").unwrap();
        Self {
            script,
            committed,
            store,
            stats: Arc::clone(&context.stats),
            stop: context.stop.clone(),
            running: tokio::spawn(input.run(context)),
        }
    }

    fn step(&self, step: Step) {
        self.script.send(step).unwrap();
    }

    /// Ends the input, and gives the records that were stored; what is no record as its text.
    async fn end(self) -> Vec<(String, String)> {
        self.step(Step::End);
        self.running.await.unwrap();
        let mut records = Vec::new();
        for (tag, payload) in &*self.store.taken.lock().unwrap() {
            for entry in entries(payload) {
                let text = match entry {
                    Ok(entry) => {
                        crate::event::Value::Map(Record::unpack(entry.record).unwrap()).to_json()
                    }
                    Err(bad) => format!("set aside: {}", bad.why),
                };
                records.push((tag.clone(), text));
            }
        }
        records
    }
}

fn pair(tag: &str, text: &str) -> (String, String) {
    (tag.to_owned(), text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn h07_h08_packs_are_raw_or_decoded_and_choose_their_decoder() {
    let rig = Rig::new(true);
    rig.step(Step::Raw(b"line", None));
    rig.step(Step::Raw(b"{\"a\":1}", Some("json")));
    let record: Record = [("b", 2)].into_iter().collect();
    let event = Event::new("own.tag", Timestamp::from_ns(5), record).unwrap();
    rig.step(Step::Decoded(event));
    let stats = Arc::clone(&rig.stats);
    let mut records = rig.end().await;
    records.sort();
    assert_eq!(
        records,
        [
            pair("in", "{\"a\":1}"),
            pair("in", "{\"message\":\"line\"}"),
            pair("own.tag", "{\"b\":2}")
        ]
    );
    assert_eq!(stats.events.load(Relaxed), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn h08_h09_what_cannot_be_decoded_is_set_aside_and_counted() {
    let rig = Rig::new(true);
    rig.step(Step::Raw(b"{", Some("json")));
    rig.step(Step::Raw(b"x", Some("no such")));
    let stats = Arc::clone(&rig.stats);
    let records = rig.end().await;
    let set_aside = pair("in", "set aside: record is not a map");
    assert_eq!(records, [set_aside.clone(), set_aside]);
    assert_eq!(stats.undecoded.load(Relaxed), 1);
    assert_eq!(stats.unknown_decoders.load(Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn h06_a_position_moves_only_when_what_was_read_is_stored() {
    let rig = Rig::new(false);
    rig.step(Step::Raw(b"one", None));
    rig.step(Step::Raw(b"two", None));
    let is_waiting = || rig.store.gate.available_permits() == 0;
    assert!(is_waiting());
    assert!(rig.committed.try_recv().is_err(), "nothing is stored yet");
    rig.store.refusals.store(1, Relaxed);
    rig.store.gate.add_permits(1);
    let far = Duration::from_secs(60);
    let mut last = 0;
    while last < 2 {
        last = rig.committed.recv_timeout(far).expect("both are committed");
        let stored = rig.store.taken.lock().unwrap();
        let count: usize = stored
            .iter()
            .map(|(_, payload)| entries(payload).count())
            .sum();
        assert!(
            count as u64 >= last,
            "{count} are stored, {last} are committed"
        );
    }
    assert_eq!(rig.stats.batches_refused.load(Relaxed), 1);
    assert_eq!(rig.end().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_waits_for_a_full_route_stops_with_the_daemon() {
    let rig = Rig::new(true);
    rig.store.refusals.store(u64::MAX, Relaxed);
    rig.step(Step::Raw(b"one", None));
    rig.stop.cancel();
    rig.running.await.unwrap();
    assert!(rig.committed.try_recv().is_err(), "it was not stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn h06_a_read_that_fails_is_counted_and_done_again() {
    let rig = Rig::new(true);
    rig.step(Step::Fail);
    rig.step(Step::Raw(b"after", None));
    let stats = Arc::clone(&rig.stats);
    assert_eq!(rig.end().await, [pair("in", "{\"message\":\"after\"}")]);
    assert_eq!(stats.reads_failed.load(Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn h06_a_read_that_is_stuck_is_reported_until_it_returns() {
    let rig = Rig::new(true);
    let (release, until) = channel();
    rig.step(Step::Hang(until));
    let is_stuck = || rig.stats.stuck.load(Relaxed) == 1;
    let stuck = async {
        while !is_stuck() {
            tokio::task::yield_now().await;
        }
    };
    let reported = tokio::time::timeout(Duration::from_secs(60), stuck).await;
    assert!(reported.is_ok(), "nobody said so");
    drop(release);
    let stats = Arc::clone(&rig.stats);
    rig.end().await;
    assert_eq!(stats.stuck.load(Relaxed), 0);
}
