use super::*;
use crate::buffer::TapFilter;
use crate::engine::hub::{Heard, Listener};
use crate::engine::rig::{Mood, Rig};
use crate::engine::status::ChunkState::{Dead, InFlight, Queued, Staged};

const WEB: &str = "  web: {match: '**', to: [out], buffer: {keys: [tag], flush_mode: lazy}}";

/// A route `web` with an output `out` that is away, and so many chunks that it has not taken.
async fn stuck(count: u8) -> (Rig, Vec<String>) {
    let rig = Rig::start(WEB, &["out"]).await;
    rig.to.set("out", Mood::Away);
    for n in 0..count {
        rig.send(&format!("t{n}"), n).await;
        rig.act(|control| control.flush(None)).await.unwrap();
    }
    let ids = rig.until("web", Queued, usize::from(count)).await;
    let away = |rig: &Rig| rig.inspect.routes()[0].outputs[0].breaker_is_open;
    rig.until_it("away", away).await;
    (rig, ids)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_staged_is_sealed_when_asked_for_once() {
    let rig = Rig::start(WEB, &["out"]).await;
    rig.to.set("out", Mood::Hangs);
    rig.send("a", 1).await;
    rig.send("b", 2).await;
    let ids = rig.until("web", Staged, 2).await;
    let id = ids[0].clone();
    let sealed = rig
        .act(move |control| [control.seal(&id), control.seal(&id)])
        .await;
    assert_eq!(sealed.map(|sealed| sealed.unwrap().changed), [true, false]);
    let flush = |control: &dyn Control| [control.flush(Some("web")), control.flush(None)];
    let flushed = rig.act(flush).await;
    assert_eq!(flushed.map(|flushed| flushed.unwrap().chunks), [1, 0]);
    rig.until("web", InFlight, 2).await;
    let nowhere = rig.act(|control| control.flush(Some("nowhere"))).await;
    assert_eq!(
        nowhere,
        Err(ControlError::UnknownRoute("nowhere".to_owned()))
    );
    rig.to.set("out", Mood::Takes);
    rig.until_it("delivered", |rig| rig.to.taken("out").len() == 2)
        .await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_route_keeps_what_comes_until_it_is_resumed() {
    let rig = Rig::start(WEB, &["out"]).await;
    let pause = |control: &dyn Control| [control.pause_route("web"), control.pause_route("web")];
    let paused = rig.act(pause).await;
    assert_eq!(paused.map(|paused| paused.unwrap().changed), [true, false]);
    rig.send("a", 1).await;
    rig.act(|control| control.flush(None)).await.unwrap();
    rig.until("web", Queued, 1).await;
    assert!(rig.inspect.routes()[0].paused);
    assert_eq!(rig.to.taken("out"), [""; 0]);
    assert!(
        rig.act(|control| control.resume_route("web"))
            .await
            .unwrap()
            .changed
    );
    rig.until_it("delivered", |rig| rig.to.taken("out") == [r#"{"n":1}"#])
        .await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_output_waits_and_the_others_go_on() {
    let routes = "  web: {match: '**', to: [one, two], buffer: {flush_mode: immediate}}";
    let rig = Rig::start(routes, &["one", "two"]).await;
    rig.act(|control| control.pause_output("web", "one"))
        .await
        .unwrap();
    rig.send("a", 1).await;
    rig.until_it("two has it", |rig| rig.to.taken("two").len() == 1)
        .await;
    let report = rig.inspect.routes().remove(0);
    assert_eq!(
        (
            report.paused,
            report.outputs[0].paused,
            report.outputs[1].paused
        ),
        (false, true, false)
    );
    assert_eq!(rig.to.taken("one"), [""; 0]);
    rig.act(|control| control.resume_output("web", "one"))
        .await
        .unwrap();
    rig.until_it("one has it", |rig| rig.to.taken("one").len() == 1)
        .await;
    let unknown = rig
        .act(|control| control.pause_output("web", "three"))
        .await;
    assert_eq!(
        unknown.unwrap_err().to_string(),
        "route `web` has no output `three`"
    );
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_chunk_stays_when_the_others_go() {
    let (rig, ids) = stuck(3).await;
    let id = ids[1].clone();
    let held = rig
        .act(move |control| [control.hold(&id), control.hold(&id)])
        .await;
    assert_eq!(held.map(|held| held.unwrap().changed), [true, false]);
    let id = ids[1].clone();
    let retried = rig
        .act(move |control| control.retry(&id))
        .await
        .unwrap_err();
    assert_eq!(
        retried.to_string(),
        format!("chunk {} is held: release it first", ids[1])
    );
    rig.to.set("out", Mood::Takes);
    rig.act(|control| control.retry_output("web", "out"))
        .await
        .unwrap();
    rig.until_it("the others go", |rig| rig.to.taken("out").len() == 2)
        .await;
    let held = rig.inspect.chunk(&ids[1]).unwrap();
    assert!(held.held && held.state == Queued);
    let id = ids[1].clone();
    rig.act(move |control| control.release(&id)).await.unwrap();
    rig.until_it("all have gone", |rig| rig.to.taken("out").len() == 3)
        .await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_is_tried_now_by_a_destination_that_counts_as_down() {
    let (rig, ids) = stuck(2).await;
    rig.to.set("out", Mood::Takes);
    let id = ids[1].clone();
    let retried = rig.act(move |control| control.retry(&id)).await.unwrap();
    assert!(retried.changed);
    rig.until_it("all have gone", |rig| rig.to.taken("out").len() == 2)
        .await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buried_chunk_is_a_dead_letter_with_the_operators_reason() {
    let (rig, ids) = stuck(2).await;
    let id = ids[0].clone();
    let unreasoned = rig.act(move |control| control.bury(&id, " ")).await;
    assert_eq!(unreasoned, Err(ControlError::BadReason));
    let id = ids[0].clone();
    let buried = rig
        .act(move |control| control.bury(&id, "bad schema"))
        .await;
    assert_eq!(
        buried.map(|buried| (buried.changed, buried.events)),
        Ok((true, 1))
    );
    let dead = rig.chunks("web", Dead);
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].reason.as_deref(), Some("operator: bad schema"));
    assert_eq!(rig.chunks("web", Queued).len(), 1);
    let id = dead[0].id.clone();
    let again = rig
        .act(move |control| control.bury(&id, "again"))
        .await
        .unwrap();
    assert!(!again.changed);
    let metrics = rig.inspect.metrics_text();
    let row = r#"forebay_route_given_up_events_total{route="web",reason="operator"} 1"#;
    assert!(metrics.contains(row), "{metrics}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_in_flight_is_neither_buried_nor_deleted() {
    let rig = Rig::start(WEB, &["out"]).await;
    rig.to.set("out", Mood::Hangs);
    rig.send("a", 1).await;
    rig.act(|control| control.flush(None)).await.unwrap();
    let id = rig.until("web", InFlight, 1).await.remove(0);
    let act = move |control: &dyn Control| [control.bury(&id, "why"), control.drop_chunk(&id, &id)];
    for refused in rig.act(act).await {
        let refused = refused.unwrap_err();
        assert!(
            matches!(
                refused,
                ControlError::WrongState {
                    state: State::Is(InFlight),
                    ..
                }
            ),
            "{refused}"
        );
    }
    rig.to.set("out", Mood::Takes);
    rig.until_it("delivered", |rig| rig.to.taken("out").len() == 1)
        .await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_is_deleted_only_when_confirmed_and_is_counted() {
    let (rig, ids) = stuck(1).await;
    let id = ids[0].clone();
    let yes = rig.act(move |control| control.drop_chunk(&id, "yes")).await;
    assert_eq!(yes, Err(ControlError::NotConfirmed(ids[0].clone())));
    let id = ids[0].clone();
    let dropped = rig
        .act(move |control| control.drop_chunk(&id, &id))
        .await
        .unwrap();
    assert_eq!(
        (dropped.changed, dropped.chunks, dropped.events),
        (true, 1, 1)
    );
    let id = ids[0].clone();
    let again = rig.act(move |control| control.drop_chunk(&id, &id)).await;
    assert_eq!(again, Err(ControlError::UnknownChunk(ids[0].clone())));
    let metrics = rig.inspect.metrics_text();
    let row = r#"forebay_route_dropped_events_total{route="web",reason="operator"} 1"#;
    assert!(metrics.contains(row), "{metrics}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_seals_and_delivers_all_but_what_is_held_then_stops() {
    let (rig, ids) = stuck(2).await;
    let id = ids[0].clone();
    rig.act(move |control| control.hold(&id)).await.unwrap();
    rig.to.set("out", Mood::Takes);
    rig.act(|control| control.retry_output("web", "out"))
        .await
        .unwrap();
    rig.until_it("back", |rig| rig.to.taken("out").len() == 1)
        .await;
    rig.send("staged", 9).await;
    assert!(rig.act(|control| control.drain()).await.unwrap().changed);
    let (_, to) = rig.ended().await;
    assert_eq!(to.taken("out"), [r#"{"n":1}"#, r#"{"n":9}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_and_paused_is_so_after_a_restart() {
    let routes =
        "  web: {match: '**', to: [out, other], buffer: {keys: [tag], flush_mode: immediate}}";
    let rig = Rig::start(routes, &["out", "other"]).await;
    rig.act(|control| control.pause_output("web", "out"))
        .await
        .unwrap();
    rig.act(|control| control.pause_route("web")).await.unwrap();
    rig.send("a", 1).await;
    rig.send("b", 2).await;
    let ids = rig.until("web", Queued, 2).await;
    let id = ids[0].clone();
    rig.act(move |control| control.hold(&id)).await.unwrap();
    let (dir, to) = rig.stop().await;

    let rig = Rig::start_in(dir, to, routes, &["out", "other"]).await;
    let route = rig.inspect.routes().remove(0);
    assert!(route.paused && route.outputs[0].paused && !route.outputs[1].paused);
    assert!(rig.inspect.chunk(&ids[0]).unwrap().held);
    assert!(!rig.inspect.chunk(&ids[1]).unwrap().held);
    rig.act(|control| control.resume_route("web"))
        .await
        .unwrap();
    rig.until_it("the other output gets the other chunk", |rig| {
        rig.to.taken("other") == [r#"{"n":2}"#]
    })
    .await;
    assert_eq!(rig.to.taken("out"), [""; 0]);
    let id = ids[0].clone();
    rig.act(move |control| control.release(&id)).await.unwrap();
    rig.act(|control| control.resume_output("web", "out"))
        .await
        .unwrap();
    rig.until_it("all is delivered", |rig| rig.to.taken("out").len() == 2)
        .await;
    let (dir, _) = rig.stop().await;
    let kept = std::fs::read_to_string(dir.path().join("orders.json")).unwrap();
    assert!(!kept.contains(&ids[0]) && !kept.contains("web"), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_delivered_after_all_one_by_one_or_all_of_a_reason() {
    let (rig, ids) = stuck(3).await;
    for (id, reason) in ids.iter().zip(["schema", "schema", "size"]) {
        let id = id.clone();
        rig.act(move |control| control.bury(&id, reason))
            .await
            .unwrap();
    }
    let dead = rig.until("web", Dead, 3).await;
    rig.to.set("out", Mood::Takes);
    let nowhere = ReplayTo {
        output: Some("nowhere".to_owned()),
        ..ReplayTo::default()
    };
    let id = dead[2].clone();
    let refused = rig.act(move |control| control.replay(&id, &nowhere)).await;
    assert!(matches!(refused, Err(ControlError::UnknownOutput { .. })));
    let schema = DeadSelection {
        reason: Some("schema".to_owned()),
        ..DeadSelection::default()
    };
    let replay =
        move |control: &dyn Control| control.replay_route("web", &schema, &ReplayTo::default());
    let begun = rig.act(replay).await.unwrap();
    assert_eq!((begun.id, begun.total, begun.is_running), (1, 2, true));
    let control = Arc::clone(&rig.control);
    let is_done = move |_: &Rig| !control.replays()[0].is_running;
    rig.until_it("the replay ends", is_done).await;
    let report = rig.control.replays().remove(0);
    assert_eq!(
        (report.done, report.letters, report.events, report.failed),
        (2, 2, 2, 0)
    );
    rig.act(|control| control.retry_output("web", "out"))
        .await
        .unwrap();
    rig.until_it("two are delivered", |rig| {
        rig.to.taken("out") == [r#"{"n":0}"#, r#"{"n":1}"#]
    })
    .await;
    let left = rig.until("web", Dead, 1).await;
    let id = left[0].clone();
    let replayed = rig
        .act(move |control| control.replay(&id, &ReplayTo::default()))
        .await;
    assert_eq!(replayed.unwrap().events, 1);
    rig.until_it("all are delivered", |rig| rig.to.taken("out").len() == 3)
        .await;
    rig.until("web", Dead, 0).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_dropped_only_with_the_routes_name() {
    let (rig, ids) = stuck(2).await;
    for id in ids {
        rig.act(move |control| control.bury(&id, "why"))
            .await
            .unwrap();
    }
    let all = DeadSelection::default;
    let yes = rig
        .act(move |control| control.drop_dead("web", &all(), "yes"))
        .await;
    assert_eq!(yes, Err(ControlError::NotConfirmed("web".to_owned())));
    let one = DeadSelection {
        limit: Some(1),
        ..all()
    };
    let dropped = rig
        .act(move |control| control.drop_dead("web", &one, "web"))
        .await
        .unwrap();
    assert_eq!((dropped.chunks, dropped.events), (1, 1));
    rig.until("web", Dead, 1).await;
    rig.stop().await;
}

/// What a listener hears until it has heard `last`.
async fn heard_until(listener: &mut Listener, last: &str) -> Vec<String> {
    let mut kinds = Vec::new();
    let hearing = async {
        while kinds.last().is_none_or(|kind| kind != last) {
            let Some(Heard::Happening(happening)) = listener.next().await else {
                panic!("missed something");
            };
            let shown = serde_json::to_value(&*happening).unwrap();
            assert!(
                shown["at"].is_string() && shown["route"] == "web",
                "{shown}"
            );
            kinds.push(shown["kind"].as_str().unwrap().to_owned());
        }
    };
    let timeout = std::time::Duration::from_secs(20);
    let in_time = tokio::time::timeout(timeout, hearing).await;
    assert!(in_time.is_ok(), "heard no {last}: {kinds:?}");
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_hears_the_life_of_a_chunk_and_what_the_operator_does() {
    let rig = Rig::start(WEB, &["out"]).await;
    let mut listener = rig.watch.listen();
    rig.to.set("out", Mood::Away);
    rig.send("a", 1).await;
    rig.act(|control| control.flush(None)).await.unwrap();
    let kinds = heard_until(&mut listener, "breaker_opened").await;
    assert_eq!(
        kinds,
        [
            "chunk_staged",
            "chunk_queued",
            "delivery_started",
            "delivery_failed",
            "breaker_opened"
        ]
    );
    rig.act(|control| control.pause_route("web")).await.unwrap();
    rig.act(|control| control.resume_route("web"))
        .await
        .unwrap();
    heard_until(&mut listener, "resumed").await;
    rig.to.set("out", Mood::Takes);
    rig.act(|control| control.retry_output("web", "out"))
        .await
        .unwrap();
    let kinds = heard_until(&mut listener, "breaker_closed").await;
    assert!(
        kinds.iter().any(|kind| kind == "delivery_committed"),
        "{kinds:?}"
    );
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_route_is_told_when_it_holds_senders_back_and_when_it_does_not() {
    let routes = "  web: {match: '**', to: [out], buffer: {keys: [tag], flush_mode: immediate, \
                  chunk_limit_size: 4KiB, total_limit_size: 8KiB}}";
    let rig = Rig::start(routes, &["out"]).await;
    rig.to.set("out", Mood::Away);
    let mut listener = rig.watch.listen();
    let intake = rig.intake.clone();
    let sending = tokio::spawn(async move {
        for tag in ["a", "b", "c", "d"] {
            let batch = crate::buffer::Incoming {
                tag,
                payload: b"\x92\x01\x81\xa1n\x01",
                batch_id: &[],
                patience: None,
            };
            intake.accept(batch).await.unwrap().durable().await.unwrap();
        }
    });
    heard_until(&mut listener, "route_full").await;
    rig.to.set("out", Mood::Takes);
    rig.act(|control| control.retry_output("web", "out"))
        .await
        .unwrap();
    heard_until(&mut listener, "route_free").await;
    sending.await.unwrap();
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_shows_events_as_they_pass_and_one_that_nobody_reads_holds_up_nobody() {
    let rig = Rig::start(WEB, &["out"]).await;
    let deaf = rig.watch.tap(TapFilter::default()).unwrap();
    let mut tap = rig
        .watch
        .tap(TapFilter {
            route: Some("web".to_owned()),
            ..TapFilter::default()
        })
        .unwrap();
    for n in 0..100 {
        rig.send("a", n).await;
    }
    let shown = serde_json::to_value(tap.next().await).unwrap();
    assert_eq!(
        (&shown["route"], &shown["tag"], &shown["record"]["n"]),
        (&"web".into(), &"a".into(), &0.into()),
        "{shown}"
    );
    drop(deaf);
    rig.stop().await;
}

/// What the engine has of orphans, by name: chunks and dead letters.
fn orphans(rig: &Rig) -> Vec<(String, u64, u64)> {
    let orphans = rig.control.orphans().into_iter();
    orphans
        .map(|orphan| (orphan.name, orphan.chunks, orphan.dead_letters))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chunks_and_dead_letters_of_a_route_that_is_no_more_are_adopted_by_another() {
    let (rig, ids) = stuck(3).await;
    let id = ids[0].clone();
    rig.act(move |control| control.bury(&id, "why"))
        .await
        .unwrap();
    let (dir, to) = rig.stop().await;

    let other = "  other: {match: 'x', to: [new], buffer: {keys: [tag], flush_mode: immediate}}";
    let rig = Rig::start_in(dir, to, other, &["new"]).await;
    assert_eq!(orphans(&rig), [("web".to_owned(), 2, 1)]);
    let by = |route: Option<&str>| ReplayTo {
        route: route.map(str::to_owned),
        output: None,
    };
    let nobody = by(None);
    let refused = rig
        .act(move |control| control.adopt_orphan("web", &nobody))
        .await;
    assert_eq!(refused, Err(ControlError::NoRouteNamed));
    let other_route = by(Some("other"));
    let adopted = rig
        .act(move |control| control.adopt_orphan("web", &other_route))
        .await;
    assert_eq!(
        adopted.map(|adopted| (adopted.chunks, adopted.events)),
        Ok((3, 3))
    );
    rig.until_it("the new output has them", |rig| {
        rig.to.taken("new") == [r#"{"n":1}"#, r#"{"n":2}"#]
    })
    .await;
    let dead = rig.until("other", Dead, 1).await;
    let reason = rig.inspect.chunk(&dead[0]).unwrap().reason;
    assert_eq!(reason.as_deref(), Some("operator: why"));
    assert_eq!(orphans(&rig), []);
    let gone = rig.act(|control| control.drop_orphan("web", "web")).await;
    assert_eq!(gone, Err(ControlError::UnknownOrphan("web".to_owned())));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_to_an_output_that_is_no_more_is_adopted_by_its_successor_or_dropped() {
    let both = "  web: {match: '**', to: [old, older, same], buffer: {keys: [tag], flush_mode: immediate}}";
    let rig = Rig::start(both, &["old", "older", "same"]).await;
    rig.to.set("old", Mood::Away);
    rig.to.set("older", Mood::Away);
    rig.send("a", 1).await;
    rig.until_it("one has it", |rig| rig.to.taken("same").len() == 1)
        .await;
    let (dir, to) = rig.stop().await;

    let renamed =
        "  web: {match: '**', to: [new, same], buffer: {keys: [tag], flush_mode: immediate}}";
    let rig = Rig::start_in(dir, to, renamed, &["new", "same"]).await;
    let names = ["web:old", "web:older"].map(|name| (name.to_owned(), 1, 0));
    assert_eq!(orphans(&rig), names);
    let successor = ReplayTo {
        route: Some("web".to_owned()),
        output: Some("new".to_owned()),
    };
    let adopted = rig
        .act(move |control| control.adopt_orphan("web:old", &successor))
        .await;
    assert_eq!(adopted.map(|adopted| adopted.events), Ok(1));
    rig.until_it("the new output has it", |rig| {
        rig.to.taken("new").len() == 1
    })
    .await;
    let unconfirmed = rig
        .act(|control| control.drop_orphan("web:older", "web"))
        .await;
    assert_eq!(
        unconfirmed,
        Err(ControlError::NotConfirmed("web:older".to_owned()))
    );
    let dropped = rig
        .act(|control| control.drop_orphan("web:older", "web:older"))
        .await;
    assert_eq!(dropped.map(|dropped| dropped.events), Ok(1));
    assert_eq!(orphans(&rig), []);
    assert_eq!(rig.chunks("web", Queued).len(), 0);
    assert_eq!(rig.to.taken("same").len(), 1, "it has it already");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_reads_all_chunks_and_tells_damage_without_touching_it() {
    let (rig, ids) = stuck(2).await;
    let id = ids[0].clone();
    rig.act(move |control| control.bury(&id, "why"))
        .await
        .unwrap();
    rig.send("staged", 9).await;
    let clean = rig.act(|control| control.verify(None)).await.unwrap();
    assert!(clean.is_clean, "{clean:?}");
    assert_eq!((clean.chunks, clean.events, clean.faults), (3, 3, 0));

    let path = rig.dir.path().join(format!("routes/web/{}.chunk", ids[1]));
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes
        .windows(4)
        .rposition(|window| window == b"\x81\xa1n\x01")
        .unwrap();
    bytes[at + 3] = 2;
    std::fs::write(&path, &bytes).unwrap();
    let damaged = rig
        .act(|control| control.verify(Some("web")))
        .await
        .unwrap();
    assert!(!damaged.is_clean);
    assert_eq!((damaged.faults, damaged.events), (1, 2));
    assert_eq!(
        (&damaged.found[0].chunk, damaged.found[0].events),
        (&ids[1], Some(1))
    );
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    let unknown = rig.act(|control| control.verify(Some("nowhere"))).await;
    assert!(matches!(unknown, Err(ControlError::UnknownRoute(_))));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_is_stuck_says_how_fast_it_fills() {
    let (rig, _) = stuck(3).await;
    let route = rig.inspect.routes().remove(0);
    assert!(route.rate_in > 0.0 && route.rate_out == 0.0, "{route:?}");
    assert!(route.time_to_full_s.is_some_and(|seconds| seconds > 0.0));
    assert_eq!(route.time_to_empty_s, None);
    assert!(route.used_bytes > 0);
    rig.stop().await;
}
