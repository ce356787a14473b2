//! What a plugin is given when it is opened, and what instances of one type share.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::BoxError;
use crate::clock::Clock;
use crate::output::{BoxFuture, LifecycleEvent};

/// What a plugin is given when it is opened: one for each instance that is configured.
#[derive(Clone)]
pub struct OpenContext {
    /// The instance's name in the configuration.
    pub name: Arc<str>,
    /// Time.
    pub clock: Clock,
    pub(super) commons: Commons,
}

impl OpenContext {
    /// What all instances share that ask for a `T`: connections, pools, anything that is there once.
    /// The first to ask makes it; the others wait, and make it themselves if that failed.
    ///
    /// # Errors
    /// What `make` fails with.
    pub async fn shared<T: SharedState, F>(
        &self,
        make: impl FnOnce() -> F + Send,
    ) -> Result<Arc<T>, BoxError>
    where
        F: Future<Output = Result<T, BoxError>> + Send,
    {
        let cell = self.commons.cell(TypeId::of::<T>());
        let made = cell
            .get_or_try_init(|| async {
                let made: Arc<dyn SharedState> = Arc::new(make().await?);
                Ok::<_, BoxError>(made)
            })
            .await?;
        let any: Arc<dyn Any + Send + Sync> = Arc::clone(made) as _;
        any.downcast()
            .map_err(|_| "two types have one identity".into())
    }
}

/// What instances share. It is told of the process's life like an output, and closed after all of
/// them.
pub trait SharedState: Any + Send + Sync {
    /// Told when the configuration is reloaded, or the process is about to end. Must not block.
    fn on(&self, event: LifecycleEvent) {
        let _ = event;
    }

    /// The last call, when no instance is left.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

type Cell = Arc<OnceCell<Arc<dyn SharedState>>>;

/// Everything that instances share. Cheap to clone: clones are the same.
#[derive(Clone, Default)]
pub struct Commons {
    cells: Arc<Mutex<HashMap<TypeId, Cell>>>,
}

impl Commons {
    /// What the instance `name` is given.
    #[must_use]
    pub fn context(&self, name: &str, clock: Clock) -> OpenContext {
        OpenContext {
            name: name.into(),
            clock,
            commons: self.clone(),
        }
    }

    /// Tells all that was made.
    pub fn tell(&self, event: LifecycleEvent) {
        self.made().iter().for_each(|made| made.on(event));
    }

    /// Closes all that was made.
    pub async fn close(&self) {
        for made in self.made() {
            made.close().await;
        }
    }

    fn made(&self) -> Vec<Arc<dyn SharedState>> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells
            .values()
            .filter_map(|cell| cell.get().cloned())
            .collect()
    }

    fn cell(&self, id: TypeId) -> Cell {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(id).or_default())
    }
}
