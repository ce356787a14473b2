//! Outputs by their type.

use std::sync::Arc;

use super::{BoxError, OpenContext, Plugin, Registry};
use crate::config::plan::{OtherPlan, OutputPlan};
use crate::output::file::FileOutput;
use crate::output::forward::ForwardOutput;
use crate::output::http::HttpOutput;
use crate::output::null::NullOutput;
use crate::output::stdout::StdoutOutput;
use crate::output::{BoxFuture, Buffered, Direct, Output, Preference};

/// A type of output.
pub trait OutputPlugin: Plugin {
    /// Opens an instance. What it gives is all that the engine knows of it: several instances of
    /// one type have nothing in common but what they take from [`OpenContext::shared`].
    ///
    /// # Errors
    /// It cannot be used: the daemon does not start, and says which output that is.
    fn open(
        &self,
        settings: &Self::Settings,
        context: &OpenContext,
    ) -> impl Future<Output = Result<Output, BoxError>> + Send;
}

/// A type of output without its own type.
pub(super) trait OpenOutput: Send + Sync {
    fn open<'a>(
        &'a self,
        plan: &'a OtherPlan,
        context: &'a OpenContext,
    ) -> BoxFuture<'a, Result<Output, BoxError>>;
}

impl<P: OutputPlugin> OpenOutput for P {
    fn open<'a>(
        &'a self,
        plan: &'a OtherPlan,
        context: &'a OpenContext,
    ) -> BoxFuture<'a, Result<Output, BoxError>> {
        Box::pin(async move {
            let settings = plan.settings::<P::Settings>();
            let settings = settings.ok_or("the settings are those of another type")?;
            OutputPlugin::open(self, settings, context).await
        })
    }
}

impl Registry {
    /// Opens the output that `plan` describes.
    ///
    /// # Errors
    /// Its settings cannot be used, e.g. a certificate that cannot be read.
    pub async fn open_output(
        &self,
        plan: &OutputPlan,
        context: &OpenContext,
    ) -> Result<Output, BoxError> {
        Ok(match plan {
            OutputPlan::Forward(plan) => {
                // No attempt is taken back before the output's own time-outs have ended it.
                let time_needed = plan.connect_timeout + plan.send_timeout + plan.ack_timeout;
                let output = ForwardOutput::open(&context.name, plan, context.clock)?;
                Output::of(Arc::new(output))
                    .deferred()
                    .time_needed(time_needed)
                    .into()
            }
            OutputPlan::Http(plan) => either(HttpOutput::open(plan)?, plan.buffered),
            OutputPlan::File(plan) => Output::of(Arc::new(FileOutput::open(plan)?))
                .buffered()
                .into(),
            OutputPlan::Stdout(plan) => either(StdoutOutput::open(plan)?, plan.buffered),
            OutputPlan::Null(plan) => either(NullOutput, plan.buffered),
            OutputPlan::Other(plan) => match self.outputs.get(plan.type_name) {
                Some(output) => output.open(plan, context).await?,
                None => return Err(format!("no output type is called `{}`", plan.type_name).into()),
            },
        })
    }
}

/// An output that can be driven by chunks or by batches.
fn either(output: impl Buffered + Direct, prefers_buffer: bool) -> Output {
    let preference = Preference {
        buffered: prefers_buffer,
        ..Preference::default()
    };
    Output::of(Arc::new(output))
        .direct()
        .buffered()
        .prefer(preference)
        .into()
}
