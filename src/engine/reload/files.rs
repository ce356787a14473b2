//! The files that plans name and that are read when something is opened: certificates and keys. They
//! are renewed under the same names, so that the plan is the same and what was read is not.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::plan::{ClientTls, InputPlan, OutputPlan, Plan, ServerTls};

/// What the files of a plan were at one moment, before they were read.
#[derive(Debug, Default)]
pub(in crate::engine) struct Stamps(BTreeMap<PathBuf, Option<Stamp>>);

/// Another file under the same name, or one that was written to, has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamps {
    /// What they are now.
    pub(in crate::engine) fn of(plan: &Plan) -> Self {
        let inputs = plan.inputs.values().flat_map(of_input);
        let outputs = plan.outputs.values().flat_map(of_output);
        let stamped = |path: &Path| (path.to_owned(), Stamp::of(path));
        Self(inputs.chain(outputs).map(stamped).collect())
    }

    /// Whether one of the files is not what it was `before`.
    pub(super) fn differ<'p>(
        &self,
        before: &Self,
        paths: impl IntoIterator<Item = &'p Path>,
    ) -> bool {
        let mut paths = paths.into_iter();
        paths.any(|path| self.0.get(path) != before.0.get(path))
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        // Links are followed: what they lead to is what is read.
        let found = fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
        })
    }
}

/// The files that an input reads when it is opened.
pub(super) fn of_input(plan: &InputPlan) -> Vec<&Path> {
    let tls = match plan {
        InputPlan::Forward(plan) => plan.tls.as_ref(),
        InputPlan::Http(plan) => plan.tls.as_ref(),
        InputPlan::Stdin(_)
        | InputPlan::Dummy(_)
        | InputPlan::Internal(_)
        | InputPlan::Other(_) => None,
    };
    tls.map_or_else(Vec::new, of_server)
}

/// The files that an output reads when it is opened.
pub(super) fn of_output(plan: &OutputPlan) -> Vec<&Path> {
    let tls = match plan {
        OutputPlan::Forward(plan) => plan.tls.as_ref(),
        OutputPlan::Http(plan) => Some(&plan.tls),
        OutputPlan::File(_)
        | OutputPlan::Stdout(_)
        | OutputPlan::Null(_)
        | OutputPlan::Other(_) => None,
    };
    tls.map_or_else(Vec::new, of_client)
}

fn of_server(tls: &ServerTls) -> Vec<&Path> {
    let own = [&tls.cert_path, &tls.key_path].into_iter();
    let all = own.chain(&tls.client_ca_path);
    all.map(PathBuf::as_path).collect()
}

fn of_client(tls: &ClientTls) -> Vec<&Path> {
    let identity = tls.identity.iter();
    let own = identity.flat_map(|identity| [&identity.cert_path, &identity.key_path]);
    let all = own.chain(&tls.ca_path);
    all.map(PathBuf::as_path).collect()
}
