//! Inputs by their type.

use std::io;
use std::net::SocketAddr;

use super::BoxError;
use crate::config::plan::InputPlan;
use crate::input::InputContext;
use crate::input::forward::ForwardInput;
use crate::input::http::HttpInput;

/// An input that holds its socket and does not serve yet.
pub enum BoundInput {
    /// See [`ForwardInput`].
    Forward(ForwardInput),
    /// See [`HttpInput`].
    Http(HttpInput),
}

impl BoundInput {
    /// Binds what `plan` describes.
    ///
    /// # Errors
    /// The address cannot be bound, or a certificate or key cannot be used.
    pub async fn bind(plan: &InputPlan) -> Result<Self, BoxError> {
        Ok(match plan {
            InputPlan::Forward(plan) => Self::Forward(ForwardInput::bind(plan)?),
            InputPlan::Http(plan) => Self::Http(HttpInput::bind(plan).await?),
            InputPlan::Other(plan) => {
                return Err(format!("no input type is called `{}`", plan.type_name).into());
            }
        })
    }

    /// Its type's name in the configuration.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Forward(_) => "forward",
            Self::Http(_) => "http",
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Forward(input) => input.local_addr(),
            Self::Http(input) => Ok(input.local_addr()),
        }
    }

    /// Serves until the context's `stop` is cancelled and what was taken in is acknowledged.
    pub async fn run(self, context: InputContext) {
        match self {
            Self::Forward(input) => input.run(context).await,
            Self::Http(input) => input.run(context).await,
        }
    }
}
