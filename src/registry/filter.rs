//! Filters by their type.

use std::sync::Arc;

use super::{BoxError, OpenContext, Plugin, Registry};
use crate::config::plan::{FilterKind, FilterPlan, OtherPlan};
use crate::filter::{self, Filter, Link};
use crate::output::BoxFuture;

/// A type of filter.
pub trait FilterPlugin: Plugin {
    /// Opens an instance.
    ///
    /// # Errors
    /// It cannot be used: the daemon does not start, and says which filter that is.
    fn open(
        &self,
        settings: &Self::Settings,
        context: &OpenContext,
    ) -> impl Future<Output = Result<Box<dyn Filter>, BoxError>> + Send;
}

/// A type of filter without its own type.
pub(super) trait OpenFilter: Send + Sync {
    fn open<'a>(
        &'a self,
        plan: &'a OtherPlan,
        context: &'a OpenContext,
    ) -> BoxFuture<'a, Result<Box<dyn Filter>, BoxError>>;
}

impl<P: FilterPlugin> OpenFilter for P {
    fn open<'a>(
        &'a self,
        plan: &'a OtherPlan,
        context: &'a OpenContext,
    ) -> BoxFuture<'a, Result<Box<dyn Filter>, BoxError>> {
        Box::pin(async move {
            let settings = plan.settings::<P::Settings>();
            let settings = settings.ok_or("the settings are those of another type")?;
            FilterPlugin::open(self, settings, context).await
        })
    }
}

impl Registry {
    /// Opens the filter that `plan` describes.
    ///
    /// # Errors
    /// Its type is not there, or its settings cannot be used.
    pub async fn open_filter(
        &self,
        plan: &FilterPlan,
        context: &OpenContext,
    ) -> Result<Link, BoxError> {
        let filter = match &plan.kind {
            FilterKind::Other(other) => match self.filters.get(other.type_name) {
                Some(filter) => filter.open(other, context).await?,
                None => {
                    return Err(format!("no filter type is called `{}`", other.type_name).into());
                }
            },
            built_in => filter::open(built_in.clone(), context.clock.now())
                .ok_or("this type of filter is not built in")?,
        };
        Ok(Link {
            name: plan.name.as_str().into(),
            matcher: plan.matcher.clone(),
            on_error: plan.on_error,
            filter: Arc::from(filter),
            stats: Default::default(),
        })
    }
}
