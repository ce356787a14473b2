//! Faults put into the system calls of the unmodified program by strace.
//!
//! For a call, an error (or SIGKILL) and a number: the call of that number on each thread fails. The
//! log of the same strace shows what was written, synced and acknowledged, in their order.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use super::{results, sync_order};
use crate::harness::daemon::{self, Daemon};
use crate::harness::destination::Destination;
use crate::harness::event::{self, EventId};
use crate::harness::ledger::Ledger;
use crate::harness::random::Random;
use crate::harness::sender::Sender;
use crate::harness::{http, site::Site, tools, wait};

const FAULT_COUNT: u32 = 60;
const CONNECTION_COUNT: u32 = 3;
const BATCH_COUNT: u32 = 8;

/// A call with the errors it may give and the numbers worth trying.
struct Target {
    calls: &'static str,
    faults: &'static [&'static str],
    number_max: u64,
}

const TARGETS: [Target; 6] = [
    Target {
        calls: "fdatasync",
        faults: &["error=EIO", "error=ENOSPC", "signal=KILL"],
        number_max: 24,
    },
    Target {
        calls: "fsync",
        faults: &["error=EIO", "error=ENOSPC", "signal=KILL"],
        number_max: 12,
    },
    Target {
        calls: "pwrite64,pwritev",
        faults: &["error=EIO", "error=ENOSPC", "signal=KILL"],
        number_max: 30,
    },
    Target {
        calls: "fallocate",
        faults: &["error=EIO", "error=ENOSPC", "signal=KILL"],
        number_max: 12,
    },
    Target {
        calls: "openat",
        faults: &["error=EIO", "error=EMFILE", "signal=KILL"],
        number_max: 60,
    },
    Target {
        calls: "unlink,unlinkat,rename,renameat,renameat2",
        faults: &["error=EIO", "signal=KILL"],
        number_max: 8,
    },
];

#[test]
fn no_fault_in_a_system_call_loses_what_was_acknowledged() {
    let mut random = Random::seeded("inject");
    let ledger = Ledger::default();
    let site = Site::new();
    let destination = Destination::listen(site.address());
    let config = site.config_to(&destination);
    let count = results::cycle_count(FAULT_COUNT);
    let mut hit_count = 0;
    for (number, target) in (0..count).zip(TARGETS.iter().cycle()) {
        let fault = random.choose(target.faults);
        let at = random.within(1..target.number_max);
        let injection = format!("inject={}:{fault}:when={at}", target.calls);
        eprintln!("fault {number}: {injection}");
        let log = site.path(&format!("strace-{number}.log"));
        one_life(&site, &config, &injection, &log, number, &ledger);
        hit_count += u64::from(has_hit(&log));
    }
    let daemon = Daemon::start(&site, &config);
    let file_system = results::own_file_system();
    results::settle(
        "injected faults",
        &file_system,
        count,
        hit_count,
        &ledger,
        &destination,
    );
    assert!(hit_count * 2 > u64::from(count), "{hit_count} faults hit");
    assert!(daemon.stop().success());
}

/// Runs the daemon with the fault until it is stopped or the fault has killed it.
fn one_life(site: &Site, config: &str, injection: &str, log: &Path, number: u32, ledger: &Ledger) {
    let mut daemon = Daemon::spawn(site, config, traced(injection, log));
    let is_up = daemon.is_up_unless_exited();
    if is_up {
        for client in 0..CONNECTION_COUNT {
            // That it breaks is what the fault is for.
            let _broken = send(site, number * CONNECTION_COUNT + client, ledger);
        }
        let failed_sync = failed_sync(&read(log));
        if let (Some(path), Ok(ready)) = (&failed_sync, http::try_get(site.admin(), "/readyz")) {
            assert_eq!(ready.status, 503, "{path} was not synced");
            assert!(daemon.metric("forebay_store_sync_failures_total", &[]) > 0.0);
            assert!(daemon.log_text().contains("write or sync failed"));
        }
    }
    let status = if is_up {
        daemon.stop()
    } else {
        daemon.wait_for_exit()
    };
    let code = status.code();
    let is_killed = injection.contains("KILL") && status.signal() == Some(9);
    // 101 is a panic; no code is another signal.
    assert!(
        is_killed || matches!(code, Some(0..101)),
        "{injection}: {status}"
    );
    wait::until_true("strace to finish its log", || read(log).ends_with("+++\n"));
    sync_order::check(&read(log));
}

/// Sends batch after batch; each is sent once.
fn send(site: &Site, client: u32, ledger: &Ledger) -> io::Result<()> {
    for batch in 0..BATCH_COUNT {
        let mut sender = Sender::connect(site.forward())?;
        let ids = EventId::run(client, batch * 10, 10);
        let mark = sync_order::mark(client, batch);
        sender.send("app", &mark, &event::entries(&ids, 1))?;
        // The next batch comes over a new connection, whether this one was refused or not.
        if sender.read_ack().is_ok() {
            ledger.acknowledge(&ids);
        }
    }
    Ok(())
}

fn traced(injection: &str, log: &Path) -> Command {
    let calls = "trace=openat,fallocate,pwrite64,pwritev,pwritev2,fdatasync,fsync,syncfs,\
                 sync_file_range,sendto,sendmsg,write,writev,unlink,unlinkat,rename,renameat,renameat2";
    let mut command = Command::new(tools::find("strace"));
    command
        .args([
            "-D", "-f", "-y", "-s", "1000000", "-e", calls, "-e", injection, "-o",
        ])
        .arg(log)
        .arg(daemon::binary());
    command
}

fn read(log: &Path) -> String {
    sync_order::read(log)
}

fn has_hit(log: &Path) -> bool {
    let text = read(log);
    text.contains("(INJECTED)") || text.contains("+++ killed by SIGKILL +++")
}

/// The chunk whose sync was made to fail, if one was.
fn failed_sync(log: &str) -> Option<String> {
    let mut failed = log.lines().filter(|line| {
        line.contains(" fdatasync(") && line.contains(".chunk>") && line.contains("(INJECTED)")
    });
    failed.next().map(str::to_owned)
}
