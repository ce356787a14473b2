//! What the text of a scalar means for each kind of setting.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;

use super::{FromText, Misfit};
use crate::config::error::{did_you_mean, list};
use crate::config::units;

/// A number of bytes.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Size(pub(in crate::config) u64);

/// `text` among `choices`: the value beside it.
pub(in crate::config) fn choose<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Misfit> {
    let names = || choices.iter().map(|(name, _)| *name);
    choices
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let message = format!("`{text}` is none of {}", list(names()));
            let hint = did_you_mean(text, names());
            Misfit { message, hint }
        })
}

impl FromText for String {
    fn from_text(text: &str) -> Result<Self, Misfit> {
        Ok(text.to_owned())
    }
}

impl FromText for SecretString {
    fn from_text(text: &str) -> Result<Self, Misfit> {
        if text.is_empty() {
            return Err(Misfit {
                message: "a secret must not be empty".to_owned(),
                hint: None,
            });
        }
        Ok(Self::from(text))
    }
}

impl FromText for bool {
    fn from_text(text: &str) -> Result<Self, Misfit> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(Misfit::new(
                format!("`{text}` is not a truth value"),
                "`true` or `false`",
            )),
        }
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl FromText for $number {
            fn from_text(text: &str) -> Result<Self, Misfit> {
                text.parse().map_err(|_| {
                    Misfit::new(
                        format!("`{text}` is not a count"),
                        format!("a whole number from 0 to {}", Self::MAX),
                    )
                })
            }
        }
    )*};
}

whole_numbers!(u32, u64, usize);

impl FromText for f64 {
    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse()
            .ok()
            .filter(|number: &Self| number.is_finite())
            .ok_or_else(|| Misfit::new(format!("`{text}` is not a number"), "such as `0.5` or `2`"))
    }
}

impl FromText for Size {
    fn from_text(text: &str) -> Result<Self, Misfit> {
        units::size_bytes(text)
            .map(Self)
            .map_err(|message| Misfit::new(message, units::SIZE_HINT))
    }
}

impl FromText for Duration {
    fn from_text(text: &str) -> Result<Self, Misfit> {
        units::duration(text).map_err(|message| Misfit::new(message, units::DURATION_HINT))
    }
}

impl FromText for SocketAddr {
    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|_| {
            Misfit::new(
                format!("`{text}` is not an address to listen on"),
                "an IP address and a port, such as `127.0.0.1:24224` or `[::]:24224`",
            )
        })
    }
}
