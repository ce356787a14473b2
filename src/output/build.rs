//! An opened output: the ways that it offers, and what it prefers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{
    BoxFuture, Buffered, Chunk, ChunkError, Custom, Deferred, Delivery, Direct, Form, Format,
    Lifecycle, NoWay, Offers, Outcome, Preference, Standard, Way, choose,
};

/// An opened output, with what it offers.
///
/// ```
/// use std::sync::Arc;
/// use forebay::output::{BoxFuture, Buffered, Chunk, Lifecycle, Outcome, Output};
///
/// struct Counter;
/// impl Lifecycle for Counter {}
/// impl Buffered for Counter {
///     fn write<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Outcome> {
///         println!("{} events", chunk.event_count());
///         Box::pin(std::future::ready(Outcome::Delivered))
///     }
/// }
///
/// let output: Output = Output::of(Arc::new(Counter)).buffered().into();
/// assert!(output.offers().buffered && !output.offers().deferred);
/// ```
///
/// Offering what it does not implement does not compile:
///
/// ```compile_fail,E0277
/// # use std::sync::Arc;
/// # use forebay::output::{Lifecycle, Output};
/// struct Counter;
/// impl Lifecycle for Counter {}
/// let output: Output = Output::of(Arc::new(Counter)).buffered().into();
/// ```
#[derive(Clone)]
pub struct Output {
    pub(crate) life: Arc<dyn Lifecycle>,
    pub(crate) direct: Option<Arc<dyn Direct>>,
    pub(crate) buffered: Option<Arc<dyn Buffered>>,
    pub(crate) deferred: Option<Arc<dyn Deferred>>,
    /// Its own format, if it has one.
    custom: Option<Custom>,
    preference: Preference,
    time_needed: Duration,
}

impl Output {
    /// Begins an output that `output` is; at least one way must be added.
    pub fn of<T: Lifecycle>(output: Arc<T>) -> Builder<T> {
        Builder {
            made: Self {
                life: Arc::clone(&output) as Arc<dyn Lifecycle>,
                direct: None,
                buffered: None,
                deferred: None,
                custom: None,
                preference: Preference::default(),
                time_needed: Duration::ZERO,
            },
            output,
            form: Standard,
        }
    }

    /// The ways it offers.
    #[must_use]
    pub fn offers(&self) -> Offers {
        Offers {
            direct: self.direct.is_some(),
            buffered: self.buffered.is_some(),
            deferred: self.deferred.is_some(),
        }
    }

    /// What it prefers where it offers several.
    #[must_use]
    pub fn preference(&self) -> Preference {
        self.preference
    }

    /// How long one deferred delivery may take by the output's own time-outs.
    #[must_use]
    pub fn time_needed(&self) -> Duration {
        self.time_needed
    }

    /// The bytes that `chunk` has for it.
    ///
    /// # Errors
    /// The chunk cannot be read.
    pub fn formatted(&self, chunk: &Chunk) -> Result<Vec<u8>, ChunkError> {
        match &self.custom {
            Some(custom) => chunk.clone().in_form(custom.clone()).read(),
            None => chunk.read(),
        }
    }

    /// How it is driven in a route with or without a `buffer` section.
    ///
    /// # Errors
    /// [`NoWay`].
    pub fn way(&self, has_buffer_section: bool) -> Result<Way, NoWay> {
        choose(self.offers(), has_buffer_section, self.preference)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("offers", &self.offers())
            .field("preference", &self.preference)
            .finish_non_exhaustive()
    }
}

/// An output that is being put together.
#[must_use = "it becomes an `Output` by `into`"]
pub struct Builder<T, F = Standard> {
    output: Arc<T>,
    form: F,
    made: Output,
}

impl<T, F: Form> Builder<T, F> {
    /// It is given batches as they come in.
    pub fn direct(mut self) -> Self
    where
        T: Direct,
    {
        self.made.direct = Some(Arc::clone(&self.output) as Arc<dyn Direct>);
        self
    }

    /// It is given chunks, and commits by returning.
    pub fn buffered(mut self) -> Self
    where
        T: Buffered<F>,
    {
        self.made.buffered = Some(Arc::new(self.formed()));
        self
    }

    /// It is given chunks, and commits later.
    pub fn deferred(mut self) -> Self
    where
        T: Deferred<F>,
    {
        self.made.deferred = Some(Arc::new(self.formed()));
        self
    }

    /// What it prefers where it offers several ways.
    pub fn prefer(mut self, preference: Preference) -> Self {
        self.made.preference = preference;
        self
    }

    /// How long one deferred delivery may take by the output's own time-outs; it is not taken back
    /// before that, whatever `delayed_commit_timeout` says.
    pub fn time_needed(mut self, time: Duration) -> Self {
        self.made.time_needed = time;
        self
    }

    /// The ways that are added from here on see chunks in this format.
    pub fn format(self, format: impl Format) -> Builder<T, Custom> {
        let form = Custom::new(format);
        Builder {
            output: self.output,
            made: Output {
                custom: Some(form.clone()),
                ..self.made
            },
            form,
        }
    }

    fn formed(&self) -> Formed<T, F> {
        Formed {
            output: Arc::clone(&self.output),
            form: self.form.clone(),
        }
    }
}

impl<T, F> From<Builder<T, F>> for Output {
    fn from(builder: Builder<T, F>) -> Self {
        builder.made
    }
}

/// An output of any format as one of the standard format, which is how chunks come.
struct Formed<T, F> {
    output: Arc<T>,
    form: F,
}

impl<T: Lifecycle, F: Form> Lifecycle for Formed<T, F> {}

impl<T: Buffered<F>, F: Form> Buffered for Formed<T, F> {
    fn write<'a>(&'a self, chunk: &'a Chunk) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let chunk = chunk.clone().in_form(self.form.clone());
            self.output.write(&chunk).await
        })
    }
}

impl<T: Deferred<F>, F: Form> Deferred for Formed<T, F> {
    fn try_write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        self.output.try_write(delivery.in_form(self.form.clone()))
    }
}
