//! Inputs by their type.

use std::io;
use std::net::SocketAddr;

use super::{BoxError, OpenContext, Plugin, Registry};
use crate::config::plan::{InputPlan, OtherPlan, StdinInputPlan};
use crate::input::dummy::DummyInput;
use crate::input::forward::ForwardInput;
use crate::input::http::HttpInput;
use crate::input::internal::InternalInput;
use crate::input::pull::PullInput;
use crate::input::stdin::StdinInput;
use crate::input::{InputContext, Sockets};
use crate::output::BoxFuture;

/// An input that holds what it takes events from and does not serve yet.
pub enum BoundInput {
    /// See [`ForwardInput`].
    Forward(ForwardInput),
    /// See [`HttpInput`].
    Http(HttpInput),
    /// One that is read: its type's name in the configuration, and the input.
    Pull(&'static str, PullInput),
}

/// A type of input.
pub trait InputPlugin: Plugin {
    /// Opens an instance: an [`Input`](crate::input::pull::Input), with the tag and the decoder of its
    /// events.
    ///
    /// # Errors
    /// It cannot be used: the daemon does not start, and says which input that is.
    fn open(
        &self,
        settings: &Self::Settings,
        context: &OpenContext,
    ) -> impl Future<Output = Result<PullInput, BoxError>> + Send;
}

/// A type of input without its own type.
pub(super) trait OpenInput: Send + Sync {
    fn open<'a>(
        &'a self,
        plan: &'a OtherPlan,
        context: &'a OpenContext,
    ) -> BoxFuture<'a, Result<PullInput, BoxError>>;
}

impl<P: InputPlugin> OpenInput for P {
    fn open<'a>(
        &'a self,
        plan: &'a OtherPlan,
        context: &'a OpenContext,
    ) -> BoxFuture<'a, Result<PullInput, BoxError>> {
        Box::pin(async move {
            let settings = plan.settings::<P::Settings>();
            let settings = settings.ok_or("the settings are those of another type")?;
            InputPlugin::open(self, settings, context).await
        })
    }
}

impl Registry {
    /// Opens the input that `plan` describes: holds its socket, or whatever it takes events from.
    ///
    /// # Errors
    /// The address cannot be bound, or a certificate or key cannot be used.
    pub async fn open_input(
        &self,
        plan: &InputPlan,
        context: &OpenContext,
    ) -> Result<BoundInput, BoxError> {
        self.open_input_over(plan, context, &Sockets::default())
            .await
    }

    /// The same, but what it listens on may be `held` already.
    ///
    /// # Errors
    /// As [`open_input`](Self::open_input).
    pub async fn open_input_over(
        &self,
        plan: &InputPlan,
        context: &OpenContext,
        held: &Sockets,
    ) -> Result<BoundInput, BoxError> {
        Ok(match plan {
            InputPlan::Forward(plan) => BoundInput::Forward(ForwardInput::bind_over(plan, held)?),
            InputPlan::Http(plan) => BoundInput::Http(HttpInput::bind_over(plan, held).await?),
            InputPlan::Stdin(plan) => BoundInput::Pull("stdin", stdin(plan)?),
            InputPlan::Dummy(plan) => {
                let input = DummyInput::new(plan.clone(), context.clock);
                BoundInput::Pull("dummy", PullInput::new(input, plan.tag.as_str())?)
            }
            InputPlan::Internal(plan) => {
                let input = InternalInput::open(plan.clone())?;
                BoundInput::Pull("internal", PullInput::new(input, plan.tag.as_str())?)
            }
            InputPlan::Other(plan) => match self.inputs.get(plan.type_name) {
                Some(input) => {
                    let input = input.open(plan, context).await?;
                    let decoders = self.decoders.values().cloned();
                    BoundInput::Pull(plan.type_name, input.with_decoders(decoders))
                }
                None => return Err(format!("no input type is called `{}`", plan.type_name).into()),
            },
        })
    }
}

impl BoundInput {
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

    /// Another hold of what it listens on.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn sockets(&self) -> io::Result<Sockets> {
        match self {
            Self::Forward(input) => input.sockets(),
            Self::Http(input) => input.sockets(),
            Self::Pull(..) => Ok(Sockets::default()),
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
