//! Inputs by their type.

use std::io;
use std::net::SocketAddr;

use super::BoxError;
use crate::clock::Clock;
use crate::config::plan::{InputPlan, StdinInputPlan};
use crate::input::InputContext;
use crate::input::dummy::DummyInput;
use crate::input::forward::ForwardInput;
use crate::input::http::HttpInput;
use crate::input::internal::InternalInput;
use crate::input::pull::PullInput;
use crate::input::stdin::StdinInput;

/// An input that holds what it takes events from and does not serve yet.
pub enum BoundInput {
    /// See [`ForwardInput`].
    Forward(ForwardInput),
    /// See [`HttpInput`].
    Http(HttpInput),
    /// One that is read: its type's name in the configuration, and the input.
    Pull(&'static str, PullInput),
}

impl BoundInput {
    /// Opens what `plan` describes.
    ///
    /// # Errors
    /// The address cannot be bound, or a certificate or key cannot be used.
    pub async fn bind(plan: &InputPlan, clock: Clock) -> Result<Self, BoxError> {
        Ok(match plan {
            InputPlan::Forward(plan) => Self::Forward(ForwardInput::bind(plan)?),
            InputPlan::Http(plan) => Self::Http(HttpInput::bind(plan).await?),
            InputPlan::Stdin(plan) => Self::Pull("stdin", stdin(plan)?),
            InputPlan::Dummy(plan) => {
                let input = DummyInput::new(plan.clone(), clock);
                Self::Pull("dummy", PullInput::new(input, plan.tag.as_str())?)
            }
            InputPlan::Internal(plan) => {
                let input = InternalInput::open(plan.clone())?;
                Self::Pull("internal", PullInput::new(input, plan.tag.as_str())?)
            }
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
            Self::Pull(kind, _) => kind,
        }
    }

    /// Where it listens; `None` if it does not.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Forward(input) => input.local_addr().map(Some),
            Self::Http(input) => Ok(Some(input.local_addr())),
            Self::Pull(..) => Ok(None),
        }
    }

    /// Serves until the context's `stop` is cancelled and what was taken in is acknowledged, or
    /// until nothing more can come.
    pub async fn run(self, context: InputContext) {
        match self {
            Self::Forward(input) => input.run(context).await,
            Self::Http(input) => input.run(context).await,
            Self::Pull(_, input) => input.run(context).await,
        }
    }
}

fn stdin(plan: &StdinInputPlan) -> Result<PullInput, BoxError> {
    let decoder = plan.decoder.open(plan.time_key.clone());
    let name = plan.decoder.name();
    let input = PullInput::new(StdinInput::open(plan)?, plan.tag.as_str())?;
    Ok(input.decoder(name, decoder).decoded_by(name))
}
