//! What every output must keep to, tried on one.

use std::time::Duration;

use tokio::time::Instant;

use super::{Call, Driver, Factory, TestError};
use crate::output::{LifecycleEvent, Outcome, Way};

/// Deliveries that are started side by side.
const SIDE_BY_SIDE: usize = 8;

/// More room than this is as good as any.
const ROOM_COUNT_MAX: usize = 64;

/// Tries [every promise](Conformance) on an output with these settings, whose destination is there
/// and takes what it is given.
///
/// # Errors
/// The first promise that it breaks.
pub async fn conformance(factory: impl Into<Factory>, settings: &str) -> Result<Passed, Broken> {
    Conformance::of(factory, settings).check().await
}

/// What every output must keep to:
///
/// - **Settings** that the type does not have are refused, with its own name and theirs; so are
///   those that [`refuses`](Self::refuses) names.
/// - **Ways.** Each way that it offers is really called, and delivers.
/// - **Side by side.** Deliveries at the same time each end, once, and the room that was kept for
///   them is given back.
/// - **Life.** After a warning (urgent, reload) it still delivers. Nothing is started after it was
///   told to drain; it is closed once, and nothing comes after that. Two instances with the same
///   settings live side by side, as on a reload.
/// - **End.** What is in flight when it is closed ends: it is confirmed, or kept.
/// - **Restart.** What was not confirmed is there after a restart, and is delivered then; what was
///   confirmed is not.
/// - **Away.** With settings whose destination is not there ([`away`](Self::away)) deliveries come
///   back, nothing is lost, and no room leaks.
#[must_use = "it is tried by `check`"]
pub struct Conformance {
    factory: Factory,
    settings: String,
    away: Option<String>,
    refused: Vec<(String, String)>,
}

/// Which promises were tried and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Their names, as in [`Broken::promise`].
    pub promises: Vec<&'static str>,
    /// The ways that were tried.
    pub ways: Vec<Way>,
}

/// A promise that an output has not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{type_name}` breaks its promise `{promise}`: {what}")]
pub struct Broken {
    /// The type of the output.
    pub type_name: &'static str,
    /// Which promise.
    pub promise: &'static str,
    /// How.
    pub what: String,
}

type Kept = Result<(), String>;

impl Conformance {
    /// An output with these settings, whose destination is there and takes what it is given.
    pub fn of(factory: impl Into<Factory>, settings: &str) -> Self {
        Self {
            factory: factory.into(),
            settings: settings.to_owned(),
            away: None,
            refused: Vec::new(),
        }
    }

    /// Settings whose destination cannot be reached.
    pub fn away(mut self, settings: &str) -> Self {
        self.away = Some(settings.to_owned());
        self
    }

    /// Settings that are wrong, because of `key`.
    pub fn refuses(mut self, settings: &str, key: &str) -> Self {
        self.refused.push((settings.to_owned(), key.to_owned()));
        self
    }

    /// Tries all of it.
    ///
    /// # Errors
    /// The first promise that is broken.
    pub async fn check(&self) -> Result<Passed, Broken> {
        let mut promises = Vec::new();
        let mut note = |promise, kept: Kept| {
            promises.push(promise);
            let type_name = self.factory.type_name();
            kept.map_err(|what| Broken {
                type_name,
                promise,
                what,
            })
        };
        note("settings", self.settings())?;
        let ways = self.ways().await;
        note("ways", ways.as_ref().map(drop).map_err(Clone::clone))?;
        let ways = ways.unwrap_or_default();
        for &way in &ways {
            note("life", self.life(way).await)?;
            if way != Way::Direct {
                note("side by side", self.side_by_side(way).await)?;
                note("end", self.end(way).await)?;
                note("restart", self.restart(way).await)?;
            }
            if let Some(away) = &self.away {
                note("away", self.is_away(away, way).await)?;
            }
        }
        promises.dedup();
        Ok(Passed { promises, ways })
    }

    fn driver(&self) -> Result<Driver, String> {
        Driver::new(self.factory.clone(), &self.settings).map_err(told)
    }

    async fn started(&self) -> Result<Driver, String> {
        let mut driver = self.driver()?;
        driver.start().await.map_err(told)?;
        Ok(driver)
    }

    fn settings(&self) -> Kept {
        self.driver()?;
        let unknown = "no_output_has_this_setting";
        let with_unknown = format!("{}\n{unknown}: 1", self.settings);
        self.must_refuse(&with_unknown, unknown)?;
        for (settings, key) in &self.refused {
            self.must_refuse(settings, key)?;
        }
        Ok(())
    }

    /// The message names the output by its name in the file, or by the line that it stands on.
    fn must_refuse(&self, settings: &str, key: &str) -> Kept {
        let Err(error) = Driver::new(self.factory.clone(), settings) else {
            return Err(format!("it takes settings with a wrong `{key}`"));
        };
        let message = told(error);
        let names_both = message.contains(key) && message.contains("settings:");
        ensure(names_both, || {
            format!("a wrong `{key}` is not named in: {message}")
        })
    }

    /// The ways that it offers, each tried.
    async fn ways(&self) -> Result<Vec<Way>, String> {
        let offers = self.started().await?.offers();
        let all = [
            (Way::Direct, offers.direct),
            (Way::Buffered, offers.buffered),
            (Way::Deferred, offers.deferred),
        ];
        let offered = all.into_iter().filter(|(_, is_offered)| *is_offered);
        let ways: Vec<_> = offered.map(|(way, _)| way).collect();
        ensure(!ways.is_empty(), || "it offers no way".to_owned())?;
        for &way in &ways {
            let mut driver = self.started().await?;
            deliver(&mut driver, way, "ways").await?;
            let calls = driver.calls();
            let is_called = calls.iter().any(|call| is_of(call, way));
            ensure(is_called, || format!("{way:?} was not called: {calls:?}"))?;
            driver.close().await;
        }
        Ok(ways)
    }

    async fn life(&self, way: Way) -> Kept {
        let mut old = self.started().await?;
        deliver(&mut old, way, "running").await?;
        old.tell(LifecycleEvent::Reload);
        let mut successor = self.started().await?;
        deliver(&mut successor, way, "successor").await?;
        deliver(&mut old, way, "reloading").await?;
        old.close().await;
        let deadline = Instant::now() + Duration::from_secs(60);
        successor.tell(LifecycleEvent::Urgent { deadline });
        deliver(&mut successor, way, "urgent").await?;
        successor.tell(LifecycleEvent::Drain { deadline });
        let called = successor.calls().len();
        successor.feed("conformance.drain", r#"{"message":"too late"}"#);
        let late = successor.flush_by(way).await;
        let is_refused = !matches!(&late, Ok(late) if late.contains(&Outcome::Delivered));
        ensure(is_refused, || {
            "it delivers after it was told to drain".to_owned()
        })?;
        let more = successor.calls().len() - called;
        ensure(more == 0, || {
            format!("{more} calls after it was told to drain")
        })?;
        successor.close().await;
        order(&old.calls(), 2, way)?;
        order(&successor.calls(), 2, way)
    }

    async fn side_by_side(&self, way: Way) -> Kept {
        let mut driver = self.many().await?;
        let room_count = driver.room_count(ROOM_COUNT_MAX);
        driver.begin(way).await.map_err(told)?;
        let outcomes = driver.ended().await.map_err(told)?;
        let delivered = outcomes
            .iter()
            .filter(|o| **o == Outcome::Delivered)
            .count();
        ensure(delivered == SIDE_BY_SIDE, || {
            format!("of {SIDE_BY_SIDE}: {outcomes:?}")
        })?;
        let after = driver.room_count(ROOM_COUNT_MAX);
        ensure(after == room_count, || {
            format!("there was room for {room_count} chunks, and then for {after}")
        })?;
        driver.close().await;
        Ok(())
    }

    async fn end(&self, way: Way) -> Kept {
        let mut driver = self.many().await?;
        driver.begin(way).await.map_err(told)?;
        let outcomes = driver.close().await;
        ensure(outcomes.len() == SIDE_BY_SIDE, || {
            format!(
                "{} of {SIDE_BY_SIDE} deliveries ended when it was closed",
                outcomes.len()
            )
        })?;
        let delivered = outcomes
            .iter()
            .filter(|o| **o == Outcome::Delivered)
            .count();
        let owed = driver.owed_count();
        ensure(owed == SIDE_BY_SIDE - delivered, || {
            format!("{delivered} of {SIDE_BY_SIDE} were delivered, {owed} are kept")
        })
    }

    async fn restart(&self, way: Way) -> Kept {
        let mut driver = self.started().await?;
        deliver(&mut driver, way, "first").await?;
        driver.feed("conformance.restart", r#"{"message":"second"}"#);
        driver.begin(way).await.map_err(told)?;
        // Killed with the second in flight: what was not heard of was not confirmed.
        driver.restart().await.map_err(told)?;
        ensure(driver.owed_count() == 1, || {
            format!(
                "1 chunk was not confirmed, {} are there after the restart",
                driver.owed_count()
            )
        })?;
        let outcomes = driver.flush_by(way).await.map_err(told)?;
        ensure(outcomes == [Outcome::Delivered], || {
            format!("after the restart: {outcomes:?}")
        })?;
        driver.restart().await.map_err(told)?;
        ensure(driver.owed_count() == 0, || {
            "what was confirmed comes again".to_owned()
        })?;
        driver.close().await;
        Ok(())
    }

    async fn is_away(&self, settings: &str, way: Way) -> Kept {
        let mut driver = Driver::new(self.factory.clone(), settings).map_err(told)?;
        driver.start().await.map_err(told)?;
        let room_count = driver.room_count(ROOM_COUNT_MAX);
        driver.feed("conformance.away", r#"{"message":"for nobody"}"#);
        let outcomes = driver.flush_by(way).await.map_err(told)?;
        let comes_back = matches!(outcomes[..], [Outcome::Retry(_)]);
        ensure(comes_back, || {
            format!("nobody is there, and it says {outcomes:?}")
        })?;
        let after = driver.room_count(ROOM_COUNT_MAX);
        ensure(after == room_count, || {
            format!("there was room for {room_count} chunks, and after a failure for {after}")
        })?;
        driver.close().await;
        let kept = usize::from(way != Way::Direct);
        ensure(driver.owed_count() == kept, || {
            "what came back is not kept".to_owned()
        })
    }

    /// One with several chunks to deliver, each of a tag of its own.
    async fn many(&self) -> Result<Driver, String> {
        let driver = Driver::with_buffer(self.factory.clone(), &self.settings, "keys: [tag]");
        let mut driver = driver.map_err(told)?;
        driver.start().await.map_err(told)?;
        for number in 0..SIDE_BY_SIDE {
            let tag = format!("conformance.many.{number}");
            driver.feed(&tag, r#"{"message":"one of many"}"#);
        }
        Ok(driver)
    }
}

/// Feeds and delivers two events of one tag.
async fn deliver(driver: &mut Driver, way: Way, stage: &str) -> Kept {
    let events = format!(r#"[{{"message":"{stage}","n":1}},{{"message":"{stage}","n":2}}]"#);
    driver.feed("conformance.test", &events);
    let outcomes = driver.flush_by(way).await.map_err(told)?;
    ensure(outcomes == [Outcome::Delivered], || {
        format!("{way:?}, {stage}: {outcomes:?}")
    })
}

/// Warned, told to drain, closed: in that order, once each, and deliveries only before the drain.
fn order(calls: &[Call], deliveries: usize, way: Way) -> Kept {
    let place = |wanted: fn(&Call) -> bool| calls.iter().position(wanted);
    let drained = place(|call| matches!(call, Call::On(LifecycleEvent::Drain { .. })));
    let warned = place(|call| {
        use LifecycleEvent::{Reload, Urgent};
        matches!(call, Call::On(Reload | Urgent { .. }))
    });
    let closed = place(|call| *call == Call::Close);
    let delivered = calls.iter().filter(|call| is_of(call, way)).count();
    let last = calls.iter().rposition(|call| is_of(call, way));
    let is_kept = warned < drained
        && last < drained
        && drained < closed
        && closed == calls.len().checked_sub(1)
        && delivered == deliveries;
    ensure(is_kept, || format!("the order of calls was {calls:?}"))
}

fn is_of(call: &Call, way: Way) -> bool {
    matches!(
        (call, way),
        (Call::Process(_), Way::Direct)
            | (Call::Write(_), Way::Buffered)
            | (Call::TryWrite(_), Way::Deferred)
    )
}

fn ensure(is_kept: bool, what: impl FnOnce() -> String) -> Kept {
    if is_kept { Ok(()) } else { Err(what()) }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn told(error: TestError) -> String {
    crate::telemetry::reason(&error)
}
