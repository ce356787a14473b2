use super::{NoWay, Offers, Preference, Way, choose};

type Answer = Result<Way, NoWay>;

const D: Answer = Ok(Way::Direct);
const B: Answer = Ok(Way::Buffered);
const L: Answer = Ok(Way::Deferred);
const NONE: Answer = Err(NoWay::NoneOffered);
const NOT: Answer = Err(NoWay::NotBuffered);

/// What is offered (`d`irect, `b`uffered, de`f`erred), and the answers by preference: buffered and
/// deferred, buffered alone, deferred alone, neither; first without a buffer section, then with.
#[rustfmt::skip]
const TABLE: [(&str, [Answer; 4], [Answer; 4]); 8] = [
    ("",    [NONE, NONE, NONE, NONE], [NONE, NONE, NONE, NONE]),
    ("d",   [D, D, D, D],             [NOT, NOT, NOT, NOT]),
    ("b",   [B, B, B, B],             [B, B, B, B]),
    ("f",   [L, L, L, L],             [L, L, L, L]),
    ("db",  [B, B, D, D],             [B, B, B, B]),
    ("df",  [L, L, D, D],             [L, L, L, L]),
    ("bf",  [L, B, L, B],             [L, B, L, B]),
    ("dbf", [L, B, D, D],             [L, B, L, B]),
];

const PREFERENCES: [(bool, bool); 4] = [(true, true), (true, false), (false, true), (false, false)];

#[test]
fn f06_f07_f08_every_combination_has_its_way() {
    let mut combinations = 0;
    for (offered, without_section, with_section) in TABLE {
        let offers = Offers {
            direct: offered.contains('d'),
            buffered: offered.contains('b'),
            deferred: offered.contains('f'),
        };
        for (has_section, answers) in [(false, without_section), (true, with_section)] {
            for ((buffered, deferred), answer) in PREFERENCES.into_iter().zip(answers) {
                let preference = Preference { buffered, deferred };
                let chosen = choose(offers, has_section, preference);
                assert_eq!(chosen, answer, "{offered}, {has_section}, {preference:?}");
                combinations += 1;
            }
        }
    }
    assert_eq!(combinations, 64);
}

#[test]
fn fluentd_trap_a_the_preference_has_one_name_and_both_parts_are_on_by_default() {
    let Preference { buffered, deferred } = Preference::default();
    assert!(buffered && deferred);
}
