//! Tag patterns, and tags that senders choose: a line of patterns, then the tag.

use forebay::route::TagMatcher;

use crate::two_texts;

pub(crate) fn run(bytes: &[u8]) {
    let Some((text, tag)) = two_texts(bytes) else {
        return;
    };
    if let Ok(matcher) = TagMatcher::parse(text) {
        a_list_matches_if_one_of_it_does(&matcher, text, tag);
        let again = TagMatcher::parse(matcher.as_str()).expect("what was parsed");
        assert_eq!(again.matches(tag), matcher.matches(tag));
    }
    an_escaped_tag_matches_itself_only(text, tag);
}

fn a_list_matches_if_one_of_it_does(matcher: &TagMatcher, text: &str, tag: &str) {
    let mut parts = text.split_whitespace();
    let matches = parts.any(|part| {
        let part = TagMatcher::parse(part).expect("each of a list can be parsed");
        part.matches(tag)
    });
    assert_eq!(matcher.matches(tag), matches);
}

fn an_escaped_tag_matches_itself_only(tag: &str, other: &str) {
    if tag.is_empty() || tag.contains(char::is_whitespace) {
        return;
    }
    let escaped: String = tag.chars().flat_map(|c| ['\\', c]).collect();
    if let Ok(matcher) = TagMatcher::parse(&escaped) {
        assert!(matcher.matches(tag), "{escaped}");
        assert_eq!(matcher.matches(other), other == tag, "{escaped}");
    }
}
