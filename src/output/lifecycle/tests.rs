use proptest::prelude::*;

use super::{Stage, Step};

const STAGES: [Stage; 7] = [
    Stage::Open,
    Stage::Running,
    Stage::Reloading,
    Stage::Urgent,
    Stage::Draining,
    Stage::Stopped,
    Stage::Closed,
];
const STEPS: [Step; 6] = [
    Step::Deliver,
    Step::Reload,
    Step::Urge,
    Step::Drain,
    Step::Stop,
    Step::Close,
];

/// Every pair of stage and step that is allowed.
fn allowed() -> Vec<(Stage, Step, Stage)> {
    let pairs = STAGES
        .into_iter()
        .flat_map(|stage| STEPS.map(|step| (stage, step)));
    pairs
        .filter_map(|(stage, step)| Some((stage, step, stage.after(step)?)))
        .collect()
}

#[test]
fn i07_the_steps_of_a_life_are_these_and_no_others() {
    use Stage::{Closed, Draining, Open, Reloading, Running, Stopped, Urgent};
    let expected = [
        (Open, Step::Deliver, Running),
        (Open, Step::Reload, Reloading),
        (Open, Step::Urge, Urgent),
        (Running, Step::Deliver, Running),
        (Running, Step::Reload, Reloading),
        (Running, Step::Urge, Urgent),
        (Reloading, Step::Deliver, Reloading),
        (Reloading, Step::Urge, Urgent),
        (Reloading, Step::Drain, Draining),
        (Urgent, Step::Deliver, Urgent),
        (Urgent, Step::Drain, Draining),
        (Draining, Step::Stop, Stopped),
        (Stopped, Step::Close, Closed),
    ];
    assert_eq!(allowed(), expected);
}

proptest! {
    #[test]
    fn i07_whatever_is_tried_the_order_of_calls_is_kept(
        tried in prop::collection::vec(prop::sample::select(STEPS.to_vec()), 0..40)
    ) {
        let mut stage = Stage::Open;
        let mut done = Vec::new();
        for step in tried {
            if let Some(next) = stage.after(step) {
                prop_assert!(next >= stage, "{stage:?} went back to {next:?}");
                stage = next;
                done.push(step);
            }
        }
        let first = |step| done.iter().position(|other| *other == step);
        let last_delivery = done.iter().rposition(|step| *step == Step::Deliver);
        for step in [Step::Drain, Step::Stop, Step::Close] {
            if let Some(at) = first(step) {
                prop_assert!(last_delivery.is_none_or(|last| last < at), "{done:?}");
            }
        }
        if let Some(drain) = first(Step::Drain) {
            // Nobody is drained without a warning.
            let warned = [Step::Reload, Step::Urge].into_iter().filter_map(first).min();
            prop_assert!(warned.is_some_and(|warned| warned < drain), "{done:?}");
        }
        if stage == Stage::Closed {
            prop_assert_eq!(done.last(), Some(&Step::Close));
            prop_assert_eq!(done[done.len() - 2], Step::Stop);
        }
    }
}
