use proptest::prelude::*;

use super::*;

#[test]
fn patterns_match_what_fluentd_says_they_match() {
    for (pattern, matching, others) in [
        ("a", &["a"][..], &["b", "", "a.b", "ab"][..]),
        ("a.b", &["a.b"], &["aab", "a", "a.b.c"]),
        ("*", &["a", "abc", ""], &["a.b", "."]),
        ("a*", &["a", "ab", "abc"], &["a.b", "ab.c", "ba"]),
        ("*a", &["a", "ba", "cba"], &["ab", "b.a"]),
        ("*a*", &["a", "ba", "ac", "bac"], &["b", "a.b"]),
        ("a.*", &["a.b", "a.c"], &["ab", "a", "a.b.c"]),
        ("a.*.c", &["a.b.c", "a.c.c"], &["a.c", "a.b.b.c"]),
        (
            "a.**",
            &["a", "a.b", "a.b.c"],
            &["ab", "abc", "ab.c", "ab.d.e", "b.a"],
        ),
        ("a**", &["a", "ab", "abc", "a.b", "ab.c", "ab.d.e"], &["ba"]),
        ("**", &["", "a", "a.b", "."], &[]),
        (
            "**.a",
            &["a", "b.a", "cb.a", "d.e.a"],
            &["ba", "c.ba", "a.b"],
        ),
        ("**a", &["a", "ba", "c.ba", "b.a", "d.e.a"], &["ab"]),
        (
            "a.**.c",
            &["a.c", "a.b.c", "a.b.b.c"],
            &["ac", "a.bc", "a", "ab.c"],
        ),
        (
            "**.b.**",
            &["b", "a.b", "b.c", "a.b.c", "a.a.b.c.c"],
            &["ab", "bc", "a.bc"],
        ),
        (
            "k.**_web_**.log",
            &["k.x_web_y.log", "k.a.b_web_.log"],
            &["k.web.log", "k_web_.log"],
        ),
        ("a.{b,c}", &["a.b", "a.c"], &["a.d", "a", "a.bc"]),
        ("a.{b,c}.**", &["a.b", "a.c", "a.c.x"], &["a.d", "a.cd"]),
        ("a.{b.**,c}", &["a.b", "a.b.c", "a.c"], &["a.c.d"]),
        ("{a,b}c", &["ac", "bc"], &["c", "abc"]),
        ("{a.b,c}.d", &["a.b.d", "c.d"], &["a.d"]),
        ("a.{**.c,d}", &["a.c", "a.b.c", "a.d"], &["a.b.d"]),
        ("{a{b,c*},d}", &["ab", "ac", "acx", "d"], &["a", "ad"]),
        ("a{,b}", &["a", "ab"], &["b"]),
        ("a,b", &["a,b"], &["a"]),
        ("a\\*\\{", &["a*{"], &["ax{", "a*"]),
        ("a b.*  c", &["a", "b.x", "c"], &["a b", "b"]),
        ("日.*", &["日.本"], &["日"]),
    ] {
        let matcher = TagMatcher::parse(pattern).expect(pattern);
        for tag in matching {
            assert!(matcher.matches(tag), "`{pattern}` should match `{tag}`");
        }
        for tag in others {
            assert!(
                !matcher.matches(tag),
                "`{pattern}` should not match `{tag}`"
            );
        }
    }
}

#[test]
fn a_list_matches_what_any_of_its_items_matches() {
    let matcher = TagMatcher::parse_all(["a.*", "b c"]).unwrap();
    assert!(["a.x", "b", "c"].iter().all(|tag| matcher.matches(tag)));
    assert_eq!(matcher.as_str(), "a.* b c");
}

#[test]
fn errors_name_the_pattern_and_the_position() {
    for (pattern, message) in [
        ("", "pattern ``: a pattern is missing at position 0"),
        (" \t", "pattern ` \t`: a pattern is missing at position 0"),
        (
            "ok a.{b",
            "pattern `a.{b`: `{` is never closed at position 2",
        ),
        (
            "{a,{b}",
            "pattern `{a,{b}`: `{` is never closed at position 0",
        ),
        ("a}b", "pattern `a}b`: `}` closes nothing at position 1"),
        (
            "a\\",
            "pattern `a\\`: `\\` needs a character behind it at position 1",
        ),
        (
            "/a/",
            "pattern `/a/`: regular expressions are not supported at position 0",
        ),
    ] {
        let error = TagMatcher::parse(pattern).expect_err(pattern);
        assert_eq!(error.to_string(), message);
    }
    let deep = "{".repeat(20) + &"}".repeat(20);
    let error = TagMatcher::parse(&deep).unwrap_err();
    assert_eq!((error.fault, error.position), (PatternFault::TooDeep, 16));
    let error = TagMatcher::parse(&"a".repeat(5000)).unwrap_err();
    assert_eq!(error.fault, PatternFault::TooLong);
}

#[test]
fn hostile_patterns_take_no_more_than_their_size_times_the_tags() {
    let tag = "a".repeat(2000);
    for pattern in [
        "*a".repeat(500) + "b",
        "**a".repeat(500) + "b",
        "{a,a}".repeat(500) + "b",
    ] {
        let matcher = TagMatcher::parse(&pattern).unwrap();
        assert!(!matcher.matches(&tag));
    }
}

proptest! {
    #[test]
    fn hostile_text_never_panics(pattern in any::<String>(), tag in any::<String>()) {
        if let Ok(matcher) = TagMatcher::parse(&pattern) {
            let _ = matcher.matches(&tag);
        }
    }

    #[test]
    fn a_pattern_without_special_characters_matches_itself_alone(
        pattern in "[a-c]{1,3}(\\.[a-c]{1,3}){0,3}",
        tag in "[a-c]{1,3}(\\.[a-c]{1,3}){0,3}",
    ) {
        let matcher = TagMatcher::parse(&pattern).unwrap();
        prop_assert!(matcher.matches(&pattern));
        prop_assert_eq!(matcher.matches(&tag), tag == pattern);
    }

    #[test]
    fn stars_match_as_a_plain_search_does(
        pattern in "([ab.]|\\*){0,8}",
        tag in "[ab.]{0,8}",
    ) {
        // Two stars side by side mean something else.
        prop_assume!(!pattern.contains("**") && !pattern.is_empty());
        let matcher = TagMatcher::parse(&pattern).unwrap();
        prop_assert_eq!(matcher.matches(&tag), search(pattern.as_bytes(), tag.as_bytes()));
    }
}

fn search(pattern: &[u8], tag: &[u8]) -> bool {
    match (pattern.split_first(), tag.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((b'*', pattern_rest)), Some((byte, tag_rest))) if *byte != b'.' => {
            search(pattern_rest, tag) || search(pattern, tag_rest)
        }
        (Some((b'*', pattern_rest)), _) => search(pattern_rest, tag),
        (Some((wanted, pattern_rest)), Some((byte, tag_rest))) => {
            wanted == byte && search(pattern_rest, tag_rest)
        }
        (Some(_), None) => false,
    }
}
