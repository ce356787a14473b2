//! Opening: on a thread that may hang or panic without taking the daemon with it.

use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::folder::Folder;
use super::record::{RetryKey, RetryRecord};
use super::{Catalog, Opened, worker};

/// How often sled writes what changed. It syncs even if nothing did, so not as often as its default
/// of twice a second: what a crash loses is retry history only.
const FLUSH_INTERVAL_MS: u64 = 10_000;

/// How late a timed wait of sled's threads may end: it keeps seven that look for work once a second for
/// as long as the process lives. Work itself wakes them at once.
const TIMER_SLACK: Duration = Duration::from_secs(60);

/// sled's page cache, in bytes: the whole catalogue is small.
const CACHE_SIZE: u64 = 1 << 20;

/// How often a database that is locked is tried again, and how long is waited before.
const LOCKED_TRIES: u32 = 20;
const LOCKED_WAIT: Duration = Duration::from_millis(50);

/// A database with what was read from it.
struct Loaded {
    database: sled::Db,
    retries: Vec<(RetryKey, RetryRecord)>,
    /// The error at which reading stopped.
    damage: Option<String>,
}

/// [`Catalog::open`] with another deadline.
pub(super) fn open_within(
    dir: &Path,
    timeout: Duration,
    is_known: impl Fn(&[u8; 16]) -> bool + Clone + Send + 'static,
) -> Opened {
    let mut opened = Opened {
        catalog: Catalog::disabled(),
        retries: Vec::new(),
        problems: Vec::new(),
    };
    if let Err(reason) = try_open(dir, timeout, is_known, &mut opened) {
        opened.problems.push(reason);
    }
    for problem in &opened.problems {
        tracing::warn!(dir = %dir.display(), problem, "catalogue is not in order");
    }
    opened
}

fn try_open(
    dir: &Path,
    timeout: Duration,
    is_known: impl Fn(&[u8; 16]) -> bool + Clone + Send + 'static,
    opened: &mut Opened,
) -> Result<(), String> {
    let mut folder = Folder::open(dir).map_err(|error| error.to_string())?;
    let first = load_within(folder.database(), timeout, is_known.clone());
    let database = match first.and_then(|loaded| sound(loaded, &mut opened.retries)) {
        Ok(database) => database,
        Err(reason) => {
            opened.problems.push(format!("set aside: {reason}"));
            folder.set_aside().map_err(|error| error.to_string())?;
            load_within(folder.database(), timeout, is_known)?.database
        }
    };
    opened.catalog = worker::start(database).map_err(|error| error.to_string())?;
    Ok(())
}

/// Keeps what was read, and the database too unless it is damaged.
fn sound(loaded: Loaded, retries: &mut Vec<(RetryKey, RetryRecord)>) -> Result<sled::Db, String> {
    *retries = loaded.retries;
    match loaded.damage {
        None => Ok(loaded.database),
        Some(damage) => Err(damage),
    }
}

fn load_within(
    path: PathBuf,
    timeout: Duration,
    is_known: impl Fn(&[u8; 16]) -> bool + Send + 'static,
) -> Result<Loaded, String> {
    let (sender, receiver) = mpsc::channel();
    let helper = move || {
        let result = catch_unwind(AssertUnwindSafe(|| load(&path, is_known)));
        let result = result.unwrap_or_else(|_| Err("sled panicked".to_owned()));
        // Nobody listens any more if the deadline is over.
        let _ = sender.send(result);
    };
    let spawned = thread::Builder::new().name("catalog-open".to_owned());
    spawned.spawn(helper).map_err(|error| error.to_string())?;
    match receiver.recv_timeout(timeout) {
        Ok(result) => result,
        Err(_) => Err(format!("sled did not open within {timeout:?}")),
    }
}

/// Lets the system end this thread's timed waits so much later, and those of the threads it starts;
/// `None` is the usual.
fn set_timer_slack(slack: Option<Duration>) {
    #[cfg(target_os = "linux")]
    {
        let slack = slack.and_then(|slack| u64::try_from(slack.as_nanos()).ok());
        // Without it they wake up more often; nothing else depends on it.
        let _ = rustix::thread::set_current_timer_slack(slack.and_then(NonZeroU64::new));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = slack;
}

fn load(path: &Path, is_known: impl Fn(&[u8; 16]) -> bool) -> Result<Loaded, String> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_SIZE)
        .flush_every_ms(Some(FLUSH_INTERVAL_MS))
        .mode(sled::Mode::LowSpace);
    let database = open_unlocked(&config).map_err(|error| error.to_string())?;
    let mut retries = Vec::new();
    let mut forgotten = Vec::new();
    let mut damage = None;
    for entry in database.iter() {
        let (key, value) = match entry {
            Ok(entry) => entry,
            // After damage sled's iterator gives the same error for ever.
            Err(error) => {
                damage = Some(error.to_string());
                break;
            }
        };
        match parse(&key, &value).filter(|(key, _)| is_known(&key.chunk_id)) {
            Some(entry) => retries.push(entry),
            None => forgotten.push(key),
        }
    }
    for key in forgotten {
        if let Err(error) = database.remove(key) {
            damage.get_or_insert(error.to_string());
            break;
        }
    }
    Ok(Loaded {
        database,
        retries,
        damage,
    })
}

/// Waits a moment for a lock: whoever starts a program has all that we have open, until it runs, and so
/// the lock of a database that has just been closed here.
fn open_unlocked(config: &sled::Config) -> sled::Result<sled::Db> {
    let mut tries_left = LOCKED_TRIES;
    loop {
        set_timer_slack(Some(TIMER_SLACK));
        match config.open() {
            Err(error) if is_locked(&error) && tries_left > 0 => tries_left -= 1,
            other => return other,
        }
        set_timer_slack(None);
        thread::park_timeout(LOCKED_WAIT);
    }
}

fn is_locked(error: &sled::Error) -> bool {
    // It has no kind of its own.
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn parse(key: &[u8], value: &[u8]) -> Option<(RetryKey, RetryRecord)> {
    let record = RetryRecord::from_bytes(key, value)
        .inspect_err(|error| tracing::debug!(%error, "catalogue entry forgotten"))
        .ok()?;
    Some((RetryKey::from_bytes(key)?, record))
}
