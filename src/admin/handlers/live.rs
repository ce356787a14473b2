//! What happens and what passes, as it does: server-sent events.
//!
//! Nobody is waited for: who reads too slowly misses some, and is told how many. A stream ends when the
//! daemon stops, or after as many events as were asked for; while nothing happens a comment shows every
//! few seconds that it is still there.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use crate::admin::api::{Api, Asked, Gives, Operation, Schemas, Sketch};
use crate::admin::look::{Admin, unknown};
use crate::buffer::{PER_SECOND_MAX, TapError, TapFilter};
use crate::engine::hub::Heard;
use crate::route::TagMatcher;
use crate::wire::http::Problem;

/// How often a stream shows that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// When to come again if there are as many taps as there may be.
const TAP_WAIT: Duration = Duration::from_secs(5);

pub(super) fn add(api: &mut Api) {
    api.add(
        Operation::read(
            "/api/v1/events",
            "events",
            "What happens from now on to chunks, deliveries, destinations and routes.",
        ),
        events,
    );
    api.add(
        Operation::read(
            "/api/v1/tap",
            "tap",
            "A sample of the events that pass from now on.",
        ),
        tap,
    );
}

/// How much of what happens to tell.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EventsParameters {
    /// The stream ends after so many; without it, when the daemon stops.
    #[schemars(range(min = 1))]
    limit: Option<u32>,
}

/// Which passing events to show.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TapParameters {
    /// Those that come by the input of this name, before filters; without it, those that a route has
    /// stored.
    input: Option<String>,
    /// Only those that this route has stored; not together with `input`.
    route: Option<String>,
    /// Only those whose tag fits this pattern.
    tag: Option<String>,
    /// One of so many; 1 unless it is said.
    #[schemars(range(min = 1))]
    sample: Option<u32>,
    /// At most so many a second; 100 unless it is said.
    #[schemars(range(min = 1, max = 1000))]
    per_second: Option<u32>,
    /// The stream ends after so many; without it, when the daemon stops.
    #[schemars(range(min = 1))]
    limit: Option<u32>,
}

/// That a reader was too slow.
#[derive(Serialize)]
struct Missed {
    missed: u64,
}

async fn events(
    State(admin): State<Admin>,
    Asked(parameters): Asked<EventsParameters>,
) -> Result<Live, Problem> {
    let limit = limit(parameters.limit)?;
    let place = admin.stream()?;
    let listening = stream::unfold(admin.watch.listen(), async |mut listener| {
        let event = match listener.next().await? {
            Heard::Happening(happening) => named("happening", &*happening),
            Heard::Missed(missed) => named("missed", &Missed { missed }),
        };
        Some((event, listener))
    });
    Ok(Live::new(&admin, place, limit, listening))
}

async fn tap(
    State(admin): State<Admin>,
    Asked(parameters): Asked<TapParameters>,
) -> Result<Live, Problem> {
    let limit = limit(parameters.limit)?;
    let filter = parameters.filter()?;
    check_names(&admin, &filter).await?;
    let place = admin.stream()?;
    let tap = admin.watch.tap(filter).map_err(|refused| match refused {
        TapError::TooMany => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, refused.to_string()).retry_after(TAP_WAIT)
        }
        TapError::InputAndRoute => bad(&refused),
    })?;
    let passing = stream::unfold(tap, async |mut tap| {
        let passed = tap.next().await;
        Some((named("event", &passed), tap))
    });
    Ok(Live::new(&admin, place, limit, passing))
}

impl TapParameters {
    fn filter(self) -> Result<TapFilter, Problem> {
        let tag = self
            .tag
            .map(|pattern| TagMatcher::parse(&pattern))
            .transpose();
        let one_in = self.sample.unwrap_or(1);
        let per_second = self.per_second.unwrap_or(TapFilter::default().per_second);
        if one_in == 0 || !(1..=PER_SECOND_MAX).contains(&per_second) {
            return Err(bad(&format!(
                "sample is at least 1, per_second from 1 to {PER_SECOND_MAX}"
            )));
        }
        Ok(TapFilter {
            input: self.input,
            route: self.route,
            tag: tag.map_err(|error| bad(&error))?,
            one_in: one_in.into(),
            per_second,
        })
    }
}

/// A tap of what is not there would show nothing for ever.
async fn check_names(admin: &Admin, filter: &TapFilter) -> Result<(), Problem> {
    let status = admin.look(|inspect| inspect.status()).await?;
    let mut inputs = status.inputs.iter().map(|input| &input.name);
    let mut routes = status.routes.iter().map(|route| &route.name);
    if filter
        .input
        .as_ref()
        .is_some_and(|name| !inputs.any(|input| input == name))
    {
        return Err(unknown("input"));
    }
    if filter
        .route
        .as_ref()
        .is_some_and(|name| !routes.any(|route| route == name))
    {
        return Err(unknown("route"));
    }
    Ok(())
}

fn limit(limit: Option<u32>) -> Result<usize, Problem> {
    match limit {
        None => Ok(usize::MAX),
        Some(0) => Err(bad(&"limit is at least 1")),
        Some(limit) => Ok(usize::try_from(limit).unwrap_or(usize::MAX)),
    }
}

fn bad(detail: &impl ToString) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail.to_string())
}

fn named(name: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(name);
    // What is told can always be written as JSON.
    event.json_data(data).unwrap_or_default()
}

/// Server-sent events.
struct Live(Response);

impl Live {
    /// Ends after `limit` of `events`, or when the daemon stops; has its `place` until then.
    fn new(
        admin: &Admin,
        place: OwnedSemaphorePermit,
        limit: usize,
        events: impl Stream<Item = Event> + Send + 'static,
    ) -> Self {
        let stopped = admin.stop.clone().cancelled_owned();
        let events = events.take(limit).take_until(stopped).map(move |event| {
            let _held = &place;
            Ok::<_, Infallible>(event)
        });
        let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
        Self(Sse::new(events).keep_alive(keep_alive).into_response())
    }
}

impl IntoResponse for Live {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Gives for Live {
    fn describe(sketch: &mut Sketch, _: &mut Schemas) {
        sketch.gives(200, "text/event-stream", json!({ "type": "string" }));
        sketch.fails(404, "There is no such input or route.");
    }
}
