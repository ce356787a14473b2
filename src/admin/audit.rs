//! Who did what, when, and what came of it.
//!
//! Each action, and each attempt that was refused, is one line of JSON in `audit.log` in the data
//! directory, and a line of the log. The line of an action is synced before the action is answered;
//! of attempts that are refused at most one in a second is written, with the number of those left out
//! since the one before. At 4 MiB the file becomes `audit.1.log`, which becomes `audit.2.log`, and
//! so on; four of them are kept. A log that cannot be written stops nobody from acting, because what
//! a full disk needs is somebody who acts; it is an error in the daemon's log.
//!
//! One thread owns the files, so that a disk that hangs holds back no other request.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::engine::status::Moment;
use crate::telemetry::RateLimited;
use crate::wire::http::Problem;

mod file;
#[cfg(test)]
mod tests;

use file::AuditFile;

/// Entries that are kept in memory for the API.
const RECENT_MAX: usize = 1_000;

/// Longest text of one field, in bytes.
const TEXT_LEN_MAX: usize = 1_000;

/// Lines that wait for the disk; more are left out, and said to be.
const WAITING_MAX: usize = 64;

/// How long an action waits for its line to be synced.
const SYNC_TIMEOUT: Duration = Duration::from_secs(5);

/// At most one refused attempt is written in this time.
const REFUSED_INTERVAL: Duration = Duration::from_secs(1);

/// One line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct AuditEntry {
    /// When it was done, as RFC 3339.
    pub(super) time: String,
    /// The token's name, `certificate` with the first digits of its SHA-256, or `local`; `null`:
    /// somebody who was not let in.
    pub(super) who: Option<String>,
    /// The address it came from.
    pub(super) peer: String,
    /// What was done: an action's name, or the method of a refused request.
    pub(super) action: String,
    /// What it was done to: a path of the API.
    pub(super) target: String,
    /// What was asked for beside that, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parameters: Option<String>,
    /// The status code of the answer.
    pub(super) status: u16,
    /// What came of it.
    pub(super) result: String,
    /// Refused attempts before this one that were not written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) left_out: u64,
}

/// The audit log.
pub(super) struct Audit {
    clock: Clock,
    refusals: RateLimited,
    recent: Mutex<VecDeque<AuditEntry>>,
    lines: mpsc::Sender<Line>,
}

/// A line for the file, and who waits for it to be synced.
struct Line {
    text: Vec<u8>,
    synced: Option<oneshot::Sender<bool>>,
}

/// An attempt that was refused.
pub(super) struct Refused<'a> {
    pub(super) who: Option<&'a str>,
    pub(super) address: SocketAddr,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) problem: &'a Problem,
}

impl Audit {
    /// The audit log in `data_dir`, with what it holds already.
    ///
    /// # Errors
    /// The file cannot be opened, or its thread cannot be started.
    pub(super) fn open(data_dir: &Path, clock: Clock) -> std::io::Result<Arc<Self>> {
        let (mut file, recent) = AuditFile::open(data_dir, RECENT_MAX)?;
        let (lines, mut waiting) = mpsc::channel::<Line>(WAITING_MAX);
        std::thread::Builder::new()
            .name("forebay-audit".to_owned())
            .spawn(move || {
                while let Some(line) = waiting.blocking_recv() {
                    let is_synced = file.append(&line.text, line.synced.is_some());
                    line.synced.map(|synced| synced.send(is_synced));
                }
            })?;
        Ok(Arc::new(Self {
            clock,
            refusals: RateLimited::new(REFUSED_INTERVAL),
            recent: Mutex::new(recent),
            lines,
        }))
    }

    /// The time, as entries have it.
    pub(super) fn now(&self) -> String {
        Moment(self.clock.now().unix_ns).to_string()
    }

    /// Writes down what was done; returns when it is on the disk, or after some time without that.
    pub(super) async fn done(&self, entry: AuditEntry) {
        let entry = entry.shortened();
        tracing::info!(
            who = entry.who, peer = entry.peer, action = entry.action, target = ?entry.target,
            status = entry.status, result = ?entry.result, "admin action"
        );
        let (synced, is_synced) = oneshot::channel();
        let line = Line {
            text: entry.line(),
            synced: Some(synced),
        };
        self.remember(entry);
        let written = async {
            self.lines.send(line).await.is_ok() && is_synced.await.is_ok_and(|synced| synced)
        };
        if tokio::time::timeout(SYNC_TIMEOUT, written).await != Ok(true) {
            tracing::error!("an admin action is not in the audit log");
        }
    }

    /// Writes down that somebody was refused, unless that happens all the time.
    pub(super) fn refused(&self, refused: &Refused<'_>) {
        let Some(left_out) = self.refusals.admit(self.clock.now().monotonic) else {
            return;
        };
        let entry = AuditEntry {
            time: self.now(),
            who: refused.who.map(str::to_owned),
            peer: refused.address.to_string(),
            action: refused.method.to_owned(),
            target: refused.path.to_owned(),
            parameters: None,
            status: refused.problem.status().as_u16(),
            result: refused.problem.detail().to_owned(),
            left_out,
        };
        let entry = entry.shortened();
        tracing::warn!(
            who = entry.who, peer = entry.peer, method = entry.action, path = ?entry.target,
            status = entry.status, left_out, "admin request refused"
        );
        let line = Line {
            text: entry.line(),
            synced: None,
        };
        self.remember(entry);
        if self.lines.try_send(line).is_err() {
            tracing::warn!("a refused request is not in the audit log");
        }
    }

    /// The latest entries, the last first.
    pub(super) fn latest(&self, limit: usize) -> Vec<AuditEntry> {
        self.recent().iter().rev().take(limit).cloned().collect()
    }

    fn remember(&self, entry: AuditEntry) {
        let mut recent = self.recent();
        if recent.len() >= RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(entry);
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<AuditEntry>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditEntry {
    fn shortened(mut self) -> Self {
        let texts = [&mut self.target, &mut self.result, &mut self.action];
        for text in texts.into_iter().chain(&mut self.parameters) {
            let mut len = TEXT_LEN_MAX.min(text.len());
            while !text.is_char_boundary(len) {
                len -= 1;
            }
            text.truncate(len);
        }
        self
    }

    fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
