//! Metrics in Prometheus' text format.
//!
//! Every family stands in one table ([`table`]) with its name, type, help and the way its value is
//! found. Values are read at scrape from a [`Snapshot`], so nothing is counted twice and no gauge
//! can drift. Labels are names from the configuration (input, filter, route, output) or words from the
//! table (reason, scope, state, went); never anything that a sender chooses, such as a tag.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};

mod collect;
mod page;
mod process;
mod snapshot;
mod table;
#[cfg(test)]
mod tests;

pub use page::page;
pub use process::ProcessSample;
pub use snapshot::{
    CatalogSample, ChunkTotals, DestinationSample, FilterSample, InputSample, ReloadSample,
    RouteSample, Snapshot,
};

use crate::config::plan::Alias;
use table::Family;

/// The content type of what [`Metrics::render`] returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics of one daemon.
pub struct Metrics {
    registry: Registry,
}

/// Collects all families of the table from one snapshot a scrape.
struct Families<S> {
    families: Vec<&'static Family>,
    descriptions: Vec<Desc>,
    source: S,
}

impl Metrics {
    /// Metrics whose values are read from what `source` returns, which is called once a scrape; shown
    /// under the names of others, too, as `aliases` says.
    ///
    /// # Errors
    /// The table names a family twice or in a way Prometheus does not allow: a mistake in the
    /// program, which a test finds.
    pub fn new<S>(aliases: &[Alias], source: S) -> Result<Self, prometheus::Error>
    where
        S: Fn() -> Snapshot + Send + Sync + 'static,
    {
        let mut families: Vec<_> = table::families().collect();
        if aliases.contains(&Alias::Fluentbit) {
            families.extend(table::FLUENT_BIT.families);
        }
        let descriptions = families.iter().map(|family| collect::description(family));
        let families = Families {
            descriptions: descriptions.collect::<Result<_, _>>()?,
            families,
            source,
        };
        let registry = Registry::new();
        registry.register(Box::new(families))?;
        Ok(Self { registry })
    }

    /// All metrics, as text.
    ///
    /// # Errors
    /// A family is not consistent: a mistake in the program.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl<S: Fn() -> Snapshot + Send + Sync> Collector for Families<S> {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let snapshot = (self.source)();
        let families = self.families.iter();
        families
            .map(|family| collect::collect(family, &snapshot))
            .collect()
    }
}
