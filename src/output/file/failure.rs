//! What it means when a file cannot be written.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::output::{Failure, FailureScope, Outcome};

/// The outcome behind an error of the file system.
///
/// A name that the file system will never take is final. What is in the way of one path may be
/// this chunk's alone; everything else (no space, no permission, a failing device) is not.
pub(super) fn outcome(path: &Path, error: &io::Error) -> Outcome {
    let reason = format!("cannot write {}: {error}", path.display());
    if is_bad_name(error) {
        return Outcome::Reject { reason };
    }
    let scope = match error.kind() {
        ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        | ErrorKind::NotFound
        | ErrorKind::WouldBlock => FailureScope::Chunk,
        _ => FailureScope::Destination,
    };
    Outcome::Retry(Failure::new(scope, reason))
}

/// Too long for the file system, or with a zero byte in it, which the standard library refuses
/// before it asks the system.
fn is_bad_name(error: &io::Error) -> bool {
    match error.kind() {
        ErrorKind::InvalidFilename => true,
        ErrorKind::InvalidInput => error.raw_os_error().is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn outcome_of(errno: Errno) -> Outcome {
        outcome(Path::new("archive/x"), &errno.into())
    }

    #[test]
    fn a_full_or_failing_disk_speaks_about_the_destination() {
        for errno in [
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::IO,
            Errno::ROFS,
            Errno::ACCESS,
            Errno::MFILE,
        ] {
            let Outcome::Retry(failure) = outcome_of(errno) else {
                panic!("{errno} must be retried");
            };
            assert_eq!(failure.scope, FailureScope::Destination, "{errno}");
            assert!(failure.reason.contains("archive/x"), "{}", failure.reason);
        }
    }

    #[test]
    fn what_is_in_the_way_of_one_path_may_be_this_chunks_alone() {
        for errno in [Errno::ISDIR, Errno::NOTDIR, Errno::NOENT] {
            let Outcome::Retry(failure) = outcome_of(errno) else {
                panic!("{errno} must be retried");
            };
            assert_eq!(failure.scope, FailureScope::Chunk, "{errno}");
        }
    }

    #[test]
    fn a_name_that_can_never_be_is_final() {
        let zero_byte = io::Error::new(ErrorKind::InvalidInput, "nul byte in the name");
        for error in [zero_byte, Errno::NAMETOOLONG.into()] {
            let outcome = outcome(Path::new("x"), &error);
            assert!(matches!(outcome, Outcome::Reject { .. }), "{error}");
        }
        // The system's own "invalid argument" may be about anything.
        assert!(matches!(outcome_of(Errno::INVAL), Outcome::Retry(_)));
    }
}
