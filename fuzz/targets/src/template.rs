//! What users write (templates, field paths, zones), and tags that senders choose: a line of the
//! first, then the tag.

use forebay::chunk_key::Zone;
use forebay::event::FieldPath;
use forebay::placeholder::Template;
use forebay_storage::ChunkKey;

use crate::two_texts;

pub(crate) fn run(bytes: &[u8]) {
    let Some((text, tag)) = two_texts(bytes) else {
        return;
    };
    let _ = FieldPath::parse(text);
    let _ = Zone::parse(text);
    if let Ok(template) = Template::compile(text) {
        assert_eq!(template.as_str(), text);
        let _ = template.render(&key(tag), "id", &Zone::utc());
        let _ = template.render_url(&key(tag), "id", &Zone::utc());
        no_tag_leads_out(&template, tag);
    }
}

fn no_tag_leads_out(template: &Template, tag: &str) {
    let render = |tag: &str| template.render_path(&key(tag), "id", &Zone::utc());
    let parents = |path: &str| path.split('/').filter(|part| *part == "..").count();
    let (Ok(path), Ok(harmless)) = (render(tag), render("a.a.a.a.a.a.a.a")) else {
        return;
    };
    assert_eq!(path.starts_with('/'), harmless.starts_with('/'));
    assert_eq!(parents(&path), parents(&harmless));
}

fn key(tag: &str) -> ChunkKey {
    ChunkKey {
        tag: Some(tag.to_owned()),
        ..ChunkKey::default()
    }
}
