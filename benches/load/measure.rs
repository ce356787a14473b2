//! One run of one workload.

use super::daemon::{self, Daemon, Home, Output, SHORT_WAITS};
use super::generator::{Sent, generate};
use super::process::Process;
use super::sink::Sink;
use super::table::Figures;
use super::usage::Usage;
use super::work::Work;
use super::workload::{Course, Workload};
use super::{clock, disk};

const BARE: &str = "127.55.1.1:20005";

/// Enough that the bare receiver never begins again within a run.
const BARE_FILE_SIZE: u64 = 1 << 30;

/// Runs `load` on a daemon of its own; the figures of each of its phases.
pub(crate) fn ours(load: &Workload) -> Vec<Figures> {
    let home = Home::new(&settings(load.buffer), load.output);
    let run = Run {
        sync_us: disk::sync_latency_us(&home.path("")),
        daemon: home.start(),
        work: load.work,
    };
    match load.course {
        Course::In => vec![run.take_in(&home)],
        Course::InThenDrain => {
            let taken_in = run.take_in(&home);
            vec![taken_in, run.drain(load.output, taken_in.rate)]
        }
        Course::Through => vec![run.through(load.output)],
    }
}

/// What the bare receiver makes of the same, which is the limit: it takes `work` in by the forward
/// protocol, whichever way it travels for us.
pub(crate) fn bare(work: Work) -> Figures {
    let work = work.for_bare();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let sync_us = disk::sync_latency_us(folder.path());
    let file = folder.path().join("batches");
    let size = BARE_FILE_SIZE.to_string();
    let mut receiver = Process::role(&["bare", BARE, file.to_str().unwrap(), &size]);
    assert_eq!(receiver.hear(), "ready");
    let before = receiver.usage();
    let sent = generate(BARE, work);
    let cost = Cost::between(work, before, receiver.usage());
    Figures {
        wait_syncs: sent.wait_us / sync_us,
        late_syncs: sent.late_us / sync_us,
        ..cost.figures(work, sent.seconds, sent.cpu_us)
    }
}

/// `buffer` with short waits and room for all.
pub(crate) fn settings(buffer: &str) -> String {
    let separator = if buffer.is_empty() { "" } else { ", " };
    format!("{buffer}{separator}{SHORT_WAITS}, total_limit_size: 100GiB")
}

struct Run {
    sync_us: f64,
    daemon: Daemon,
    work: Work,
}

impl Run {
    fn take_in(&self, home: &Home) -> Figures {
        let before = self.mark();
        let sent = generate(daemon::address(self.work.protocol), self.work);
        let after = self.mark();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let batches = (self.work.events() / self.work.batch_events) as f64;
        Figures {
            disk_per_batch: disk::occupied(&home.path("data")) / batches,
            ..self.figures(before, after, sent.seconds, &sent, 0.0)
        }
    }

    fn drain(&self, output: Output, in_rate: f64) -> Figures {
        self.daemon.process.forget_memory_peak();
        let before = self.mark();
        let mut sink = Sink::start(output);
        let seconds = sink.wait_for(self.work.events());
        let after = self.mark();
        let sent = Sent {
            seconds,
            wait_us: f64::NAN,
            late_us: f64::NAN,
            cpu_us: 0.0,
        };
        let figures = self.figures(before, after, seconds, &sent, sink.0.usage().cpu_us);
        Figures {
            of_taken_in: figures.rate / in_rate,
            ..figures
        }
    }

    fn through(&self, output: Output) -> Figures {
        let mut sink = (output != Output::File).then(|| Sink::start(output));
        let before = self.mark();
        let started = clock::now();
        let sent = generate(daemon::address(self.work.protocol), self.work);
        match &mut sink {
            Some(sink) => {
                sink.wait_for(self.work.events());
            }
            None => self.wait_for_delivery(),
        }
        let seconds = started.elapsed().as_secs_f64();
        let after = self.mark();
        let sink_us = sink.map_or(0.0, |sink| sink.0.usage().cpu_us);
        self.figures(before, after, seconds, &sent, sink_us)
    }

    fn wait_for_delivery(&self) {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let wanted = self.work.events() as f64;
        clock::wait_until("all events to be delivered", || {
            clock::pause(std::time::Duration::from_millis(20));
            self.daemon.metric("forebay_output_delivered_events_total") >= wanted
        });
    }

    fn mark(&self) -> Mark {
        let usage = self.daemon.process.usage();
        Mark {
            usage,
            syncs: self
                .daemon
                .metric("forebay_store_sync_duration_seconds_count"),
            usage_after: self.daemon.process.usage(),
        }
    }

    fn figures(
        &self,
        before: Mark,
        after: Mark,
        seconds: f64,
        sent: &Sent,
        sink_us: f64,
    ) -> Figures {
        let cost = Cost::between(self.work, before.usage_after, after.usage);
        #[expect(clippy::cast_precision_loss, reason = "a few thousand at most")]
        let descriptors = self.daemon.descriptors_peak() as f64;
        Figures {
            syncs: after.syncs - before.syncs,
            descriptors,
            wait_syncs: sent.wait_us / self.sync_us,
            late_syncs: sent.late_us / self.sync_us,
            ..cost.figures(self.work, seconds, sent.cpu_us + sink_us)
        }
    }
}

/// A moment of a daemon's life; the asking costs the daemon something too.
struct Mark {
    /// Before it was asked.
    usage: Usage,
    syncs: f64,
    /// After it was asked.
    usage_after: Usage,
}

/// What a piece of work cost.
struct Cost {
    cpu_us: f64,
    memory_mib: f64,
    written_bytes: f64,
}

impl Cost {
    fn between(work: Work, before: Usage, after: Usage) -> Self {
        assert!(work.events() > 0);
        Self {
            cpu_us: after.cpu_us - before.cpu_us,
            memory_mib: after.memory_peak_kib / 1024.0,
            written_bytes: after.written_bytes - before.written_bytes,
        }
    }

    fn figures(&self, work: Work, seconds: f64, helpers_us: f64) -> Figures {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let (events, bytes) = (work.events() as f64, work.payload_bytes() as f64);
        Figures {
            rate: events / seconds,
            seconds,
            cpu_us: self.cpu_us / events,
            helpers_us: helpers_us / events,
            memory_mib: self.memory_mib,
            written_ratio: self.written_bytes / bytes,
            syncs: f64::NAN,
            descriptors: f64::NAN,
            wait_syncs: f64::NAN,
            late_syncs: f64::NAN,
            disk_per_batch: f64::NAN,
            of_taken_in: f64::NAN,
        }
    }
}
