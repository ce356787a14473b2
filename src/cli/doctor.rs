//! `forebay doctor DIR`: what the disk and the file system under a directory can be trusted with.
//!
//! Everything the store asks of a file system is tried in a folder that is removed again. What no
//! program can try, whether the disk keeps what it said it flushed, is said.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

mod folder;
mod mount;
mod probe;

use folder::Folder;

/// How much can be promised; the worst finding decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Fine,
    /// It works, with something to know or to change.
    Degraded,
    /// What is acknowledged can be lost, or nothing can be stored.
    NotDurable,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    /// What was looked at, in a word or two.
    subject: &'static str,
    /// What was found.
    text: String,
    /// What to do about it, if anything.
    advice: Option<String>,
}

/// All that was found about one directory.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    path: PathBuf,
    verdict: Level,
    /// The verdict in a sentence.
    durability: &'static str,
    findings: Vec<Finding>,
}

/// Why a directory could not be examined.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, or is no directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// What was given.
        path: PathBuf,
    },
    /// The result could not be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

/// Examines `dir` and prints what was found.
///
/// # Errors
/// If `dir` is no directory, or the output cannot be written.
pub(super) fn run(dir: &Path, is_json: bool) -> Result<ExitCode, Error> {
    let report = examine(dir)?;
    let mut out = io::stdout().lock();
    if is_json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        report.write_text(&mut out)?;
    }
    Ok(report.exit_code())
}

fn examine(dir: &Path) -> Result<Report, Error> {
    let not_a_directory = || Error::NotADirectory {
        path: dir.to_owned(),
    };
    let path = dir.canonicalize().map_err(|_| not_a_directory())?;
    if !path.is_dir() {
        return Err(not_a_directory());
    }
    let mut findings = mount::examine(&path);
    findings.push(probe::space(&path));
    match Folder::create_in(&path) {
        Ok(folder) => {
            findings.extend(probe::all(folder.path()));
            findings.extend(folder.remove());
        }
        Err(error) => findings.push(
            Finding::new(Level::NotDurable, "writing", error.to_string())
                .advise("give the daemon's user the right to write here"),
        ),
    }
    Ok(Report::new(path, findings))
}

impl Finding {
    fn new(level: Level, subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            level,
            subject,
            text: text.into(),
            advice: None,
        }
    }

    fn fine(subject: &'static str, text: impl Into<String>) -> Self {
        Self::new(Level::Fine, subject, text)
    }

    fn advise(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }
}

impl Report {
    fn new(path: PathBuf, findings: Vec<Finding>) -> Self {
        let levels = findings.iter().map(|finding| finding.level);
        let verdict = levels.max().unwrap_or(Level::Fine);
        Self {
            path,
            verdict,
            durability: verdict.durability(),
            findings,
        }
    }

    fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.verdict {
            Level::Fine => 0,
            Level::Degraded => 1,
            Level::NotDurable => 2,
        })
    }

    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.path.display())?;
        for finding in &self.findings {
            let mark = match finding.level {
                Level::Fine => "ok",
                Level::Degraded => "DEGRADED",
                Level::NotDurable => "NOT DURABLE",
            };
            writeln!(out, "{mark:<11} {}: {}", finding.subject, finding.text)?;
            if let Some(advice) = &finding.advice {
                writeln!(out, "{:<11} -> {advice}", "")?;
            }
        }
        writeln!(out, "{}", self.durability)
    }
}

impl Level {
    fn durability(self) -> &'static str {
        match self {
            Self::Fine => {
                "durable: what is acknowledged survives a killed process, a kernel crash and a power \
                 cut, unless the disk lies about its flushes, which no program can test"
            }
            Self::Degraded => {
                "durable with reservations: what is acknowledged survives a killed process; for the \
                 rest see what is marked DEGRADED"
            }
            Self::NotDurable => {
                "not durable: what is acknowledged may be lost, or nothing can be stored; see what is \
                 marked NOT DURABLE"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(levels: &[Level]) -> Report {
        let finding = |level: &Level| Finding::new(*level, "subject", "text").advise("advice");
        Report::new("/d".into(), levels.iter().map(finding).collect())
    }

    #[test]
    fn the_worst_finding_decides() {
        let (fine, degraded, not_durable) = (Level::Fine, Level::Degraded, Level::NotDurable);
        assert_eq!(report(&[]).verdict, fine);
        assert_eq!(report(&[fine, degraded, fine]).verdict, degraded);
        assert_eq!(report(&[not_durable, degraded]).verdict, not_durable);
    }

    #[test]
    fn the_text_says_level_advice_and_durability() {
        let mut out = Vec::new();
        report(&[Level::Degraded]).write_text(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("DEGRADED    subject: text\n            -> advice\n"),
            "{text}"
        );
        assert!(text.ends_with("see what is marked DEGRADED\n"), "{text}");
    }
}
