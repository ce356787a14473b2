//! Inputs and outputs by their type: from a plan to something that runs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::plan::{InputPlan, OutputPlan};
use crate::input::InputContext;
use crate::input::forward::ForwardInput;
use crate::input::http::HttpInput;
use crate::output::Output;
use crate::output::file::FileOutput;
use crate::output::forward::ForwardOutput;
use crate::output::http::HttpOutput;
use crate::output::null::NullOutput;
use crate::output::stdout::StdoutOutput;

/// An error of whatever input or output it was.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

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

/// Opens the output that `plan` describes.
///
/// # Errors
/// Its settings cannot be used, e.g. a certificate that cannot be read.
pub fn open_output(name: &str, plan: &OutputPlan, clock: Clock) -> Result<Output, BoxError> {
    Ok(match plan {
        OutputPlan::Forward(plan) => {
            // No attempt is taken back before the output's own time-outs have ended it.
            let time_needed = plan.connect_timeout + plan.send_timeout + plan.ack_timeout;
            Output::of(Arc::new(ForwardOutput::open(name, plan, clock)?))
                .deferred()
                .time_needed(time_needed)
                .into()
        }
        OutputPlan::Http(plan) => Output::of(Arc::new(HttpOutput::open(plan)?))
            .buffered()
            .into(),
        OutputPlan::File(plan) => Output::of(Arc::new(FileOutput::open(plan)?))
            .buffered()
            .into(),
        OutputPlan::Stdout(plan) => Output::of(Arc::new(StdoutOutput::open(plan)?))
            .buffered()
            .into(),
        OutputPlan::Null => Output::of(Arc::new(NullOutput)).buffered().into(),
    })
}
