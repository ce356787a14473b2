//! How many descriptors there are, and who may have how many.
//!
//! A quarter is for chunk files, but no more than they have use for. Another quarter is kept for
//! everything that must go on whatever senders do: deliveries (a connection and a chunk file for
//! each), the admin API, the catalogue, the runtime. Senders' connections have the rest.

use std::collections::BTreeMap;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::plan::InputPlan;

/// More chunk files than this are open for nothing.
const CHUNK_FILES_MAX: u64 = 512;

/// Fewer than this and the store can hardly work.
const CHUNK_FILES_MIN: u64 = 8;

/// No more than this are kept free of senders.
const RESERVE_MAX: u64 = 1024;

/// Who may have how many descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    /// Chunk files open at a time.
    pub(super) chunk_files: usize,
    /// Connections of all inputs together.
    pub(super) connections: usize,
}

/// Lets this process have as many descriptors as it may ask for.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Some systems say no although the limit allows it; then there is what there was.
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the descriptor limit cannot be raised");
    }
}

impl Descriptors {
    /// Divides what this process may have; `chunk_files` if the configuration says how many.
    pub(super) fn of_process(chunk_files: Option<usize>) -> Self {
        let limit = getrlimit(Resource::Nofile).current;
        Self::divide(limit.unwrap_or(u64::MAX), chunk_files)
    }

    fn divide(limit: u64, chunk_files: Option<usize>) -> Self {
        let derived = (limit / 4).clamp(CHUNK_FILES_MIN, CHUNK_FILES_MAX);
        let chunk_files = chunk_files.unwrap_or(to_usize(derived));
        let reserve = (limit / 4).min(RESERVE_MAX);
        Self {
            chunk_files,
            connections: to_usize(limit - reserve).saturating_sub(chunk_files),
        }
    }

    /// Lets the inputs have no more connections than there are descriptors, each in proportion to
    /// what it was to have, and at least one.
    pub(super) fn fit(self, inputs: &mut BTreeMap<String, InputPlan>) {
        let wanted: usize = inputs.values().filter_map(connections_max).sum();
        if wanted <= self.connections {
            return;
        }
        for (name, input) in inputs {
            let Some(wanted_here) = connections_max_mut(input) else {
                continue;
            };
            let share = *wanted_here as u128 * self.connections as u128 / wanted as u128;
            let share = usize::try_from(share).unwrap_or(*wanted_here).max(1);
            tracing::warn!(
                input = name,
                connections_max = *wanted_here,
                connections = share,
                "fewer connections than configured: the descriptor limit is too low"
            );
            *wanted_here = share;
        }
    }
}

/// How many connections an input may have; `None` if it takes none.
pub(super) fn connections_max(input: &InputPlan) -> Option<usize> {
    match input {
        InputPlan::Forward(plan) => Some(plan.connections_max),
        InputPlan::Http(plan) => Some(plan.connections_max),
        InputPlan::Stdin(_)
        | InputPlan::Dummy(_)
        | InputPlan::Internal(_)
        | InputPlan::Other(_) => None,
    }
}

fn connections_max_mut(input: &mut InputPlan) -> Option<&mut usize> {
    match input {
        InputPlan::Forward(plan) => Some(&mut plan.connections_max),
        InputPlan::Http(plan) => Some(&mut plan.connections_max),
        InputPlan::Stdin(_)
        | InputPlan::Dummy(_)
        | InputPlan::Internal(_)
        | InputPlan::Other(_) => None,
    }
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_never_have_what_chunks_and_deliveries_need() {
        for limit in [16, 64, 256, 1024, 65_536, u64::MAX] {
            let shares = Descriptors::divide(limit, None);
            let taken = shares.chunk_files as u64 + shares.connections as u64;
            assert!(limit - taken >= (limit / 4).min(RESERVE_MAX));
            assert!(shares.chunk_files >= 4.min(to_usize(limit)));
        }
        let few = Descriptors::divide(256, None);
        assert_eq!((few.chunk_files, few.connections), (64, 128));
        let said = Descriptors::divide(256, Some(100));
        assert_eq!((said.chunk_files, said.connections), (100, 92));
    }

    #[test]
    fn inputs_share_what_there_is_in_proportion_and_keep_what_fits() {
        let mut inputs = BTreeMap::from([
            ("a".to_owned(), input(1000)),
            ("b".to_owned(), input(500)),
            ("c".to_owned(), input(1)),
        ]);
        let shares = Descriptors {
            chunk_files: 64,
            connections: 150,
        };
        let counts = |inputs: &BTreeMap<String, InputPlan>| -> Vec<usize> {
            inputs.values().filter_map(connections_max).collect()
        };
        shares.fit(&mut inputs);
        assert_eq!(counts(&inputs), [99, 49, 1]);
        shares.fit(&mut inputs);
        assert_eq!(counts(&inputs), [99, 49, 1]);
    }

    fn input(connections_max: usize) -> InputPlan {
        InputPlan::Forward(crate::config::plan::ForwardInputPlan {
            listen: ([127, 0, 0, 1], 0).into(),
            message_size_max: 1,
            unpacked_size_max: 1,
            connections_max,
            read_memory_max: 1,
            idle_timeout: None,
            security: None,
            tls: None,
        })
    }
}
