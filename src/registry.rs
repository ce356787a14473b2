//! Plugins by their type: which there are, and from a plan to something that runs.
//!
//! [`Registry::builtin`] has what comes with the program. A program of one's own adds to it, and
//! hands it to [`crate::cli::run_with`] or [`crate::engine::Engine::open`]:
//!
//! ```
//! use std::process::ExitCode;
//! use std::sync::Arc;
//!
//! use forebay::config::settings::NoSettings;
//! use forebay::output::{BoxFuture, Buffered, Chunk, Lifecycle, Outcome, Output};
//! use forebay::registry::{BoxError, OpenContext, OutputPlugin, Plugin, Registry};
//!
//! struct Counting;
//! impl Lifecycle for Counting {}
//! impl Buffered for Counting {
//!     fn write<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Outcome> {
//!         println!("{} events", chunk.event_count());
//!         Box::pin(std::future::ready(Outcome::Delivered))
//!     }
//! }
//!
//! struct CountingType;
//! impl Plugin for CountingType {
//!     const NAME: &'static str = "counting";
//!     const ABOUT: &'static str = "Counts events, and forgets them.";
//!     type Settings = NoSettings;
//! }
//! impl OutputPlugin for CountingType {
//!     async fn open(&self, _: &NoSettings, _: &OpenContext) -> Result<Output, BoxError> {
//!         Ok(Output::of(Arc::new(Counting)).buffered().into())
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     let registry = Registry::builtin().output(CountingType).expect("the name is free");
//! # if false {
//!     forebay::cli::main(registry)
//! # } else { ExitCode::SUCCESS }
//! }
//! ```
//!
//! Types of inputs and filters are added the same way, by [`InputPlugin`] and [`FilterPlugin`]:
//!
//! ```
//! use std::time::Duration;
//!
//! use forebay::config::settings::NoSettings;
//! use forebay::event::Event;
//! use forebay::filter::{Context, Failure, Filter, Verdict};
//! use forebay::input::pull::{Input, Pack, PullInput, Read, ReadError};
//! use forebay::registry::{BoxError, FilterPlugin, InputPlugin, OpenContext, Plugin, Registry};
//!
//! struct Once(bool);
//! impl Input for Once {
//!     fn read(&mut self, pack: &mut Pack, _: Duration) -> Result<Read, ReadError> {
//!         if std::mem::replace(&mut self.0, true) {
//!             return Ok(Read::End);
//!         }
//!         pack.bytes_mut().extend_from_slice(b"hello");
//!         Ok(Read::Filled)
//!     }
//! }
//!
//! struct OnceType;
//! impl Plugin for OnceType {
//!     const NAME: &'static str = "once";
//!     const ABOUT: &'static str = "Says hello, once.";
//!     type Settings = NoSettings;
//! }
//! impl InputPlugin for OnceType {
//!     async fn open(&self, _: &NoSettings, context: &OpenContext) -> Result<PullInput, BoxError> {
//!         Ok(PullInput::new(Once(false), &*context.name)?)
//!     }
//! }
//!
//! struct Hush;
//! impl Filter for Hush {
//!     fn apply(&self, _: &mut Event, _: &mut Context<'_>) -> Result<Verdict, Failure> {
//!         Ok(Verdict::Block)
//!     }
//! }
//! impl Plugin for Hush {
//!     const NAME: &'static str = "hush";
//!     const ABOUT: &'static str = "Drops everything.";
//!     type Settings = NoSettings;
//! }
//! impl FilterPlugin for Hush {
//!     async fn open(&self, _: &NoSettings, _: &OpenContext) -> Result<Box<dyn Filter>, BoxError> {
//!         Ok(Box::new(Hush))
//!     }
//! }
//!
//! let registry = Registry::builtin().input(OnceType).unwrap().filter(Hush).unwrap();
//! ```
//!
//! A decoder is added by its name:
//!
//! ```
//! use std::sync::Arc;
//!
//! use forebay::decoder::{DecodeError, Decoded, Decoder};
//! use forebay::registry::Registry;
//!
//! #[derive(Debug)]
//! struct Length;
//! impl Decoder for Length {
//!     fn decode(&self, bytes: &[u8]) -> Result<Decoded, DecodeError> {
//!         let len = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
//!         Ok(Decoded { time: None, record: [("length", len)].into_iter().collect() })
//!     }
//! }
//!
//! let about = "Anything; its length is the record.";
//! let registry = Registry::builtin().decoder("length", about, Arc::new(Length)).unwrap();
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::config;
use crate::config::plan::OtherPlan;
use crate::config::types::{PluginKind, Reading, Types};
use crate::decoder::{Decoder, OtherDecoder};

mod builtin;
mod context;
mod filter;
mod input;
mod output;
mod plugin;
#[cfg(test)]
mod tests;

pub use context::{Commons, OpenContext, SharedState};
pub use filter::FilterPlugin;
pub use input::{BoundInput, InputPlugin};
pub use output::OutputPlugin;
pub use plugin::{Plugin, PluginInfo};

use filter::OpenFilter;
use input::OpenInput;
use output::OpenOutput;
use plugin::{Added, AddedType};

/// An error of whatever plugin it was.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a type cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// There is one of that name.
    #[error(
        "two {kind} types are called `{name}`: `{first}` ({first_about}) and `{second}` \
         ({second_about})"
    )]
    Duplicate {
        /// What they are.
        kind: PluginKind,
        /// The name that both go by.
        name: &'static str,
        /// The own name of the one that is there.
        first: &'static str,
        /// What that does.
        first_about: &'static str,
        /// The own name of the one that was to be added.
        second: &'static str,
        /// What that does.
        second_about: &'static str,
    },
    /// The name cannot be written as a `type`.
    #[error("`{name}` cannot be the name of a type: letters, digits, `_` and `-` only")]
    Name {
        /// The name.
        name: &'static str,
    },
    /// It does not say what it does.
    #[error("the {kind} type `{name}` does not say what it does")]
    NoAbout {
        /// What it is.
        kind: PluginKind,
        /// Its name.
        name: &'static str,
    },
}

/// The types of plugins that there are.
#[derive(Clone, Default)]
pub struct Registry {
    /// What there is, by kind and by each name that it goes by.
    known: BTreeMap<(PluginKind, &'static str), Known>,
    inputs: BTreeMap<&'static str, Arc<dyn OpenInput>>,
    filters: BTreeMap<&'static str, Arc<dyn OpenFilter>>,
    outputs: BTreeMap<&'static str, Arc<dyn OpenOutput>>,
    decoders: BTreeMap<&'static str, OtherDecoder>,
}

#[derive(Clone)]
struct Known {
    info: PluginInfo,
    /// `None`: it is built in.
    added: Option<Arc<dyn Added>>,
}

impl Registry {
    /// The types that come with the program.
    #[must_use]
    pub fn builtin() -> Self {
        let mut registry = Self::default();
        for info in builtin::all() {
            let known = Known { info, added: None };
            for name in known.info.names() {
                registry
                    .known
                    .insert((known.info.kind, name), known.clone());
            }
        }
        registry
    }

    /// Adds a type of input.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn input<P: InputPlugin>(mut self, plugin: P) -> Result<Self, RegistryError> {
        self.add::<P>(PluginKind::Input)?;
        self.inputs.insert(P::NAME, Arc::new(plugin));
        Ok(self)
    }

    /// Adds a type of filter.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn filter<P: FilterPlugin>(mut self, plugin: P) -> Result<Self, RegistryError> {
        self.add::<P>(PluginKind::Filter)?;
        self.filters.insert(P::NAME, Arc::new(plugin));
        Ok(self)
    }

    /// Adds a type of output.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn output<P: OutputPlugin>(mut self, plugin: P) -> Result<Self, RegistryError> {
        self.add::<P>(PluginKind::Output)?;
        self.outputs.insert(P::NAME, Arc::new(plugin));
        Ok(self)
    }

    /// Adds a decoder, which `stdin`, `parser` and the packs of inputs can name as they name those
    /// that are built in; `about` says in a sentence what it does. It has no settings: what gives
    /// events their time stands beside its name as ever.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn decoder(
        mut self,
        name: &'static str,
        about: &'static str,
        decoder: Arc<dyn Decoder>,
    ) -> Result<Self, RegistryError> {
        let info = PluginInfo {
            kind: PluginKind::Decoder,
            name,
            other_names: &[],
            about,
        };
        self.check(&info)?;
        let known = Known { info, added: None };
        self.known.insert((PluginKind::Decoder, name), known);
        self.decoders.insert(name, OtherDecoder { name, decoder });
        Ok(self)
    }

    /// All types, by kind and name; each once.
    pub fn plugins(&self) -> impl Iterator<Item = &PluginInfo> {
        let own_name =
            |((_, name), known): &(&(PluginKind, &'static str), &Known)| *name == known.info.name;
        self.known
            .iter()
            .filter(own_name)
            .map(|(_, known)| &known.info)
    }

    /// What is known of a type, by any of its names.
    #[must_use]
    pub fn plugin(&self, kind: PluginKind, name: &str) -> Option<&PluginInfo> {
        self.find(kind, name).map(|known| &known.info)
    }

    /// The JSON Schema of a type's settings, by any of its names.
    #[must_use]
    pub fn settings(&self, kind: PluginKind, name: &str) -> Option<Value> {
        let known = self.find(kind, name)?;
        match &known.added {
            Some(added) => Some(config::with_common(kind, added.schema())),
            None => config::builtin(kind)
                .into_iter()
                .find_map(|(name, settings)| (name == known.info.name).then_some(settings)),
        }
    }

    fn find(&self, kind: PluginKind, name: &str) -> Option<&Known> {
        let mut of_kind = self.known.iter();
        let found = of_kind.find(|((known, other), _)| *known == kind && *other == name);
        found.map(|(_, known)| known)
    }

    /// Adds a type, whatever opens it.
    fn add<P: Plugin>(&mut self, kind: PluginKind) -> Result<(), RegistryError> {
        let info = PluginInfo::of::<P>(kind);
        self.check(&info)?;
        let added: Arc<dyn Added> = Arc::new(AddedType::<P>::new());
        for name in info.names() {
            let known = Known {
                info: info.clone(),
                added: Some(Arc::clone(&added)),
            };
            self.known.insert((kind, name), known);
        }
        Ok(())
    }

    /// Whether a type can be added: its names are free and can be written, and it says what it does.
    fn check(&self, info: &PluginInfo) -> Result<(), RegistryError> {
        let kind = info.kind;
        if info.about.trim().is_empty() {
            let name = info.name;
            return Err(RegistryError::NoAbout { kind, name });
        }
        for name in info.names() {
            if name.is_empty() || !name.chars().all(is_allowed) {
                return Err(RegistryError::Name { name });
            }
            if let Some(first) = self.known.get(&(kind, name)) {
                return Err(RegistryError::Duplicate {
                    kind,
                    name,
                    first: first.info.name,
                    first_about: first.info.about,
                    second: info.name,
                    second_about: info.about,
                });
            }
        }
        Ok(())
    }
}

impl Types for Registry {
    fn names(&self, kind: PluginKind) -> Vec<&'static str> {
        let of_kind = self.known.iter().filter(|((known, _), _)| *known == kind);
        of_kind.map(|((_, name), _)| *name).collect()
    }

    fn schemas(&self, kind: PluginKind) -> Vec<(Vec<&'static str>, Value)> {
        let own = self
            .known
            .iter()
            .filter(|((of, name), known)| *of == kind && *name == known.info.name);
        own.filter_map(|(_, known)| {
            let settings = known.added.as_ref()?.schema();
            Some((known.info.names().collect(), settings))
        })
        .collect()
    }

    fn decoder(&self, name: &str) -> Option<OtherDecoder> {
        self.decoders.get(name).cloned()
    }

    fn read(&self, kind: PluginKind, name: &str, reading: Reading<'_>) -> Option<OtherPlan> {
        self.find(kind, name)?.added.as_ref()?.read(reading)
    }
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}
