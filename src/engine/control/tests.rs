use super::*;
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
