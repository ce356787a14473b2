//! What every type of plugin says of itself.

use std::marker::PhantomData;

use serde_json::Value;

use crate::config::plan::OtherPlan;
use crate::config::settings::Settings;
use crate::config::types::{PluginKind, Reading, settings_schema};

/// A type of plugin: its name, what it does, and its settings.
pub trait Plugin: Send + Sync + 'static {
    /// What stands as `type` in the configuration.
    const NAME: &'static str;
    /// Other names that it goes by.
    const OTHER_NAMES: &'static [&'static str] = &[];
    /// What it does, in one sentence.
    const ABOUT: &'static str;
    /// Its settings.
    type Settings: Settings;
}

/// What is known of a type of plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginInfo {
    /// What it is.
    pub kind: PluginKind,
    /// Its name.
    pub name: &'static str,
    /// Other names that it goes by.
    pub other_names: &'static [&'static str],
    /// What it does, in one sentence.
    pub about: &'static str,
}

impl PluginInfo {
    pub(super) fn of<P: Plugin>(kind: PluginKind) -> Self {
        Self {
            kind,
            name: P::NAME,
            other_names: P::OTHER_NAMES,
            about: P::ABOUT,
        }
    }

    /// All names that it goes by, its own first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.other_names.iter().copied())
    }
}

/// A type that is not built in, as the configuration needs it.
pub(super) trait Added: Send + Sync {
    fn read(&self, reading: Reading<'_>) -> Option<OtherPlan>;

    fn schema(&self) -> Value;
}

pub(super) struct AddedType<P>(PhantomData<fn() -> P>);

impl<P> AddedType<P> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<P: Plugin> Added for AddedType<P> {
    fn read(&self, reading: Reading<'_>) -> Option<OtherPlan> {
        reading.read::<P::Settings>(P::NAME)
    }

    fn schema(&self) -> Value {
        settings_schema::<P::Settings>()
    }
}
