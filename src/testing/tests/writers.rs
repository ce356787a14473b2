//! Heka's order for batch writers: the suite, on an output that a writer was made into.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::*;
use crate::config::settings::NoSettings;
use crate::output::runner::{BatchWriter, Prepared, Triggers, runner};
use crate::output::{BoxFuture, EventRef, Outcome, Output, Way};
use crate::registry::{BoxError, OpenContext, OutputPlugin, Plugin};

/// What the writers of all instances have sent, and whether one was ever called twice at a time.
#[derive(Clone, Default)]
struct Wire {
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    was_called_twice: Arc<AtomicBool>,
    is_away: bool,
}

struct Lines {
    wire: Wire,
    batch: Vec<Prepared>,
    is_busy: Arc<AtomicBool>,
}

impl Lines {
    fn enter(&self) {
        let was_busy = self.is_busy.swap(true, SeqCst);
        self.wire.was_called_twice.fetch_or(was_busy, SeqCst);
    }
}

impl BatchWriter for Lines {
    fn batch(&mut self, data: Prepared) {
        self.enter();
        self.batch.push(data);
        self.is_busy.store(false, SeqCst);
    }

    fn commit(&mut self) -> BoxFuture<'_, Outcome> {
        Box::pin(async {
            self.enter();
            tokio::time::sleep(Duration::from_millis(1)).await;
            self.is_busy.store(false, SeqCst);
            if self.wire.is_away {
                return retry("nobody is there");
            }
            let sent = self.batch.drain(..).map(|data| data.to_vec());
            self.wire.sent.lock().unwrap().extend(sent);
            Outcome::Delivered
        })
    }
}

impl Plugin for Wire {
    const NAME: &'static str = "wire";
    const ABOUT: &'static str = "Sends lines in batches.";
    type Settings = NoSettings;
}

impl OutputPlugin for Wire {
    async fn open(&self, _: &NoSettings, _: &OpenContext) -> Result<Output, BoxError> {
        let writer = Lines {
            wire: self.clone(),
            batch: Vec::new(),
            is_busy: Arc::default(),
        };
        let prepare = |event: EventRef<'_>, out: &mut Prepared| {
            out.extend_from_slice(event.record);
            Ok(())
        };
        let triggers = Triggers {
            interval: Duration::from_millis(20),
            ..Triggers::default()
        };
        Ok(runner(prepare, writer, triggers))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h18_h19_h20_a_batch_writer_conforms_and_is_never_called_twice_at_a_time() {
    let wire = Wire::default();
    let passed = conformance(wire.clone(), "").await.unwrap();
    assert_eq!(passed.ways, [Way::Deferred]);
    assert!(!wire.was_called_twice.load(SeqCst));
    let sent = wire.sent.lock().unwrap();
    assert!(sent.len() > 20, "{}", sent.len());
    assert!(
        sent.iter().all(|data| !data.is_empty()),
        "a reset buffer was sent"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn h19_what_a_last_commit_does_not_send_is_kept() {
    let wire = Wire {
        is_away: true,
        ..Wire::default()
    };
    let mut driver = Driver::new(wire, "").unwrap();
    driver.start().await.unwrap();
    driver.feed("t", r#"{"n":1}"#);
    driver.begin(Way::Deferred).await.unwrap();
    let outcomes = driver.close().await;
    assert!(matches!(outcomes[..], [Outcome::Retry(_)]), "{outcomes:?}");
    assert_eq!(driver.owed_count(), 1);
}
