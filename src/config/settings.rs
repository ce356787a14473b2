//! Settings of plugins that are not built in: what their types need, and kinds of values that the
//! configuration has and Rust has not.
//!
//! ```
//! use forebay::config::settings::{Fault, Period, Settings, Size};
//! use forebay::placeholder::Template;
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! /// Where to send to.
//! #[derive(Debug, Deserialize, Serialize, JsonSchema)]
//! #[serde(default)]
//! struct Bus {
//!     /// The subject, with placeholders.
//!     subject: Template,
//!     /// How long the server may take.
//!     timeout: Period,
//!     /// Largest message.
//!     message_size_max: Size,
//! }
//!
//! impl Default for Bus {
//!     fn default() -> Self {
//!         Self {
//!             subject: Template::literal("logs"),
//!             timeout: Period::from_secs(5),
//!             message_size_max: Size(1 << 20),
//!         }
//!     }
//! }
//!
//! impl Settings for Bus {
//!     fn validate(&self) -> Result<(), Fault> {
//!         match self.message_size_max {
//!             Size(0) => Err(Fault::of("message_size_max", "this must be more than 0 bytes")),
//!             _ => Ok(()),
//!         }
//!     }
//! }
//! ```

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::plan::FlushMode;
use super::units;

/// The settings of a type of plugin: a struct with defaults.
///
/// Keys that it does not have are refused, with the nearest that it has. A field without
/// `#[serde(default)]` must be written. Doc comments of the fields become descriptions.
pub trait Settings:
    DeserializeOwned + Serialize + Default + JsonSchema + fmt::Debug + Send + Sync + 'static
{
    /// Checks what the types of the fields cannot.
    ///
    /// # Errors
    /// What is wrong, and with which key.
    fn validate(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// What the buffers of an output's routes are where the route does not say. Of a route with
    /// several outputs, those that say something must say the same.
    fn buffer_defaults(&self) -> BufferDefaults {
        BufferDefaults::default()
    }
}

/// No settings at all.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct NoSettings {}

impl Settings for NoSettings {}

/// What is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(super) key: Option<String>,
    pub(super) message: String,
}

impl Fault {
    /// Something that is wrong with the value of `key`.
    pub fn of(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: Some(key.into()),
            message: message.into(),
        }
    }

    /// Something that is wrong with the settings as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            key: None,
            message: message.into(),
        }
    }
}

/// Defaults of a `buffer` section that come from an output; `None`: the program's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BufferDefaults {
    /// `keys`.
    pub keys: Option<Vec<String>>,
    /// `timekey`; not looked at where `time` is not among the keys.
    pub timekey: Option<Duration>,
    /// `timekey_wait`; not looked at where `time` is not among the keys.
    pub timekey_wait: Option<Duration>,
    /// `flush_mode`.
    pub flush_mode: Option<FlushMode>,
    /// `flush_interval`; not looked at in other modes than `interval`.
    pub flush_interval: Option<Duration>,
    /// `flush_at_shutdown`.
    pub flush_at_shutdown: Option<bool>,
    /// `chunk_limit_size`, in bytes.
    pub chunk_limit_size: Option<u64>,
    /// `chunk_limit_records`.
    pub chunk_limit_records: Option<u64>,
    /// `max_concurrent`.
    pub max_concurrent: Option<usize>,
    /// `delayed_commit_timeout`.
    pub delayed_commit_timeout: Option<Duration>,
}

/// A length of time, written as `1m30s` or a number of seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

impl Period {
    /// So many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        units::duration(&text)
            .map(Self)
            .map_err(|message| D::Error::custom(format!("{message}; {}", units::DURATION_HINT)))
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&units::duration_text(self.0))
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::describe::duration_schema()
    }
}

/// A number of bytes, written as `8MiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        units::size_bytes(&text)
            .map(Self)
            .map_err(|message| D::Error::custom(format!("{message}; {}", units::SIZE_HINT)))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&units::size_text(self.0))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        super::describe::size_schema()
    }
}

/// A password or a key: never printed.
#[derive(Clone, Debug, Default)]
pub struct Secret(SecretString);

impl Secret {
    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Err(D::Error::custom("a secret must not be empty"));
        }
        Ok(Self(text.into()))
    }
}

/// As nothing.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}
