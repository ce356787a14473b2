//! What users write: patterns, templates, field paths, zones; and tags that senders choose.
//!
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run templates`
#![no_main]

use forebay::chunk_key::Zone;
use forebay::event::FieldPath;
use forebay::placeholder::Template;
use forebay::route::TagMatcher;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (text, tag) = input;
    let _ = FieldPath::parse(text);
    let _ = Zone::parse(text);
    if let Ok(matcher) = TagMatcher::parse(text) {
        let _ = matcher.matches(tag);
    }
    if let Ok(template) = Template::compile(text) {
        no_tag_leads_out(&template, tag);
    }
});

fn no_tag_leads_out(template: &Template, tag: &str) {
    let render = |tag: &str| {
        let key = forebay_storage::ChunkKey {
            tag: Some(tag.to_owned()),
            ..forebay_storage::ChunkKey::default()
        };
        template.render_path(&key, "id", &Zone::utc())
    };
    let parents = |path: &str| path.split('/').filter(|part| *part == "..").count();
    let (Ok(path), Ok(harmless)) = (render(tag), render("a.a.a.a.a.a.a.a")) else {
        return;
    };
    assert_eq!(path.starts_with('/'), harmless.starts_with('/'));
    assert_eq!(parents(&path), parents(&harmless));
}
