//! The filters that stand before the router, and what is known of them from outside.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::build::Tools;
use super::open::Error;
use crate::buffer::{Accept, Router};
use crate::clock::Clock;
use crate::config::plan::FilterPlan;
use crate::filter::{Chain, FilterStats, Link, Strain};
use crate::registry::Registry;

/// What is known of a filter while it runs.
#[derive(Clone)]
pub(super) struct FilterHandle {
    pub(super) name: Arc<str>,
    pub(super) kind: &'static str,
    pub(super) stats: Arc<FilterStats>,
}

/// A filter and what it was opened with.
pub(super) struct OpenFilter {
    pub(super) plan: FilterPlan,
    pub(super) link: Link,
}

/// Filters before a router; the intake leads through them.
#[derive(Default)]
pub(super) struct Filters {
    plans: Vec<FilterPlan>,
    /// `None` if there are none, so that batches go straight to the router.
    strain: Option<Arc<Strain>>,
    ticking: Option<Ticking>,
}

/// Filters that are called when their time comes.
struct Ticking {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Filters {
    /// Opens the filters of `plans`, except for those that are open already and have not changed.
    pub(super) async fn open(
        plans: &[FilterPlan],
        before: &[OpenFilter],
        registry: &Registry,
        tools: &Tools,
    ) -> Result<Vec<OpenFilter>, Error> {
        let mut opened = Vec::new();
        for plan in plans {
            let known = before.iter().find(|filter| filter.plan == *plan);
            let link = match known {
                Some(filter) => again(&filter.link),
                None => {
                    let context = tools.commons.context(&plan.name, tools.clock);
                    let link = registry.open_filter(plan, &context).await;
                    let name = plan.name.clone();
                    link.map_err(|source| Error::Filter { name, source })?
                }
            };
            let plan = plan.clone();
            opened.push(OpenFilter { plan, link });
        }
        Ok(opened)
    }

    /// The filters before `router`, and what an intake is to lead to.
    pub(super) fn before(
        router: Arc<Router>,
        filters: Vec<OpenFilter>,
        clock: Clock,
    ) -> (Self, Arc<dyn Accept>) {
        if filters.is_empty() {
            return (Self::default(), router);
        }
        let (plans, links): (Vec<_>, _) = filters
            .into_iter()
            .map(|OpenFilter { plan, link }| (plan, link))
            .unzip();
        let chain = Chain::new(links, router.names());
        let strain = Arc::new(Strain::new(chain, router, clock));
        let filters = Self {
            plans,
            strain: Some(Arc::clone(&strain)),
            ticking: None,
        };
        (filters, strain)
    }

    /// The filters once more, to stand before another router.
    pub(super) fn again(&self) -> Vec<OpenFilter> {
        let links = self.strain.iter().flat_map(|strain| strain.links());
        let plans = self.plans.iter().cloned();
        plans
            .zip(links)
            .map(|(plan, link)| OpenFilter {
                plan,
                link: again(link),
            })
            .collect()
    }

    pub(super) fn handles(&self) -> Vec<FilterHandle> {
        let links = self.strain.iter().flat_map(|strain| strain.links());
        let handle = |(plan, link): (&FilterPlan, &Link)| FilterHandle {
            name: Arc::clone(&link.name),
            kind: plan.kind.name(),
            stats: Arc::clone(&link.stats),
        };
        self.plans.iter().zip(links).map(handle).collect()
    }

    /// Has the filters called when their time comes.
    pub(super) fn start(&mut self) {
        if let Some(strain) = &self.strain {
            let stop = CancellationToken::new();
            let task = tokio::spawn(Arc::clone(strain).drive(stop.clone()));
            self.ticking = Some(Ticking { stop, task });
        }
    }

    /// Calls no filter any more for its time.
    pub(super) fn stop_ticking(&self) {
        if let Some(ticking) = &self.ticking {
            ticking.stop.cancel();
        }
    }

    pub(super) fn strain(&self) -> Option<Arc<Strain>> {
        self.strain.clone()
    }

    /// Has the filters say what they still have to say; it is stored as far as there is room, or goes
    /// to the `heir`. Those that are filters of the heir are left alone.
    pub(super) async fn close(self, heir: Option<Arc<Strain>>) {
        self.stop_ticking();
        if let Some(ticking) = self.ticking {
            // A panic in it has been logged.
            let _ = ticking.task.await;
        }
        if let Some(strain) = self.strain {
            strain.close(heir.as_deref()).await;
        }
    }

    /// The same, at most until `deadline`.
    pub(super) async fn close_by(self, deadline: Instant) {
        let closed = self.close(None);
        if tokio::time::timeout_at(deadline, closed).await.is_err() {
            tracing::warn!("filters did not stop in time; what they had gathered is lost");
        }
    }
}

/// A filter in another chain.
fn again(link: &Link) -> Link {
    Link {
        name: Arc::clone(&link.name),
        matcher: link.matcher.clone(),
        on_error: link.on_error,
        filter: Arc::clone(&link.filter),
        stats: Arc::clone(&link.stats),
    }
}
