//! Whatever is written: it is a plan, or it is told what is wrong, at a place.

use proptest::prelude::*;

use super::super::{Error, load_str};
use super::Fake;

const WHOLE: &str = include_str!("../../../deploy/config/tee.yaml");

fn is_plan_or_problems(text: &str) -> bool {
    match load_str("f.yaml", text, &Fake) {
        Ok(plan) => !plan.routes.is_empty(),
        Err(Error::Invalid(problems)) => {
            let shown = problems.to_string();
            !shown.is_empty() && problems.iter().all(|problem| problem.position.line >= 1)
        }
        Err(Error::Unreadable { .. }) => false,
    }
}

proptest! {
    #[test]
    fn any_text_is_a_plan_or_problems(text in "\\PC{0,80}") {
        prop_assert!(is_plan_or_problems(&text));
    }

    #[test]
    fn any_value_is_a_plan_or_problems(value in "\\PC{0,20}", line in 0..40_usize) {
        let lines = WHOLE.lines().enumerate().map(|(at, text)| match text.split_once(": ") {
            Some((key, _)) if at == line => format!("{key}: {value}\n"),
            _ => format!("{text}\n"),
        });
        prop_assert!(is_plan_or_problems(&lines.collect::<String>()));
    }

    #[test]
    fn any_piece_may_be_missing(from in 0..WHOLE.len(), len in 0..60_usize) {
        let until = (from + len).min(WHOLE.len());
        prop_assume!(WHOLE.is_char_boundary(from) && WHOLE.is_char_boundary(until));
        let text = format!("{}{}", &WHOLE[..from], &WHOLE[until..]);
        prop_assert!(is_plan_or_problems(&text));
    }
}
