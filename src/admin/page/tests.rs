use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use tower_service::Service as _;

use super::*;

/// Bytes of the whole page at most: it is part of the program.
const PAGE_LEN_MAX: usize = 128 * 1024;

async fn asked(path: &str, tag: Option<&str>) -> (StatusCode, HeaderMap) {
    let mut request = Request::get(path);
    if let Some(tag) = tag {
        request = request.header(IF_NONE_MATCH, tag);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = router::<()>().call(request).await.unwrap();
    (response.status(), response.headers().clone())
}

#[tokio::test]
async fn every_file_is_served_with_its_type_and_under_the_policy() {
    for file in files() {
        let (status, headers) = asked(file.path, None).await;
        assert_eq!(status, StatusCode::OK, "{}", file.path);
        assert_eq!(headers[CONTENT_TYPE], file.content_type);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], POLICY);
        assert_eq!(headers[CACHE_CONTROL], "no-cache");
    }
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let (_, headers) = asked("/page/main.js", None).await;
    let tag = headers[ETAG].to_str().unwrap();
    let (status, headers) = asked("/page/main.js", Some(&format!("\"other\", W/{tag}"))).await;
    assert_eq!(status, StatusCode::NOT_MODIFIED);
    assert_eq!(headers[ETAG], tag);
    let (status, _) = asked("/page/page.css", Some(tag)).await;
    assert_eq!(status, StatusCode::OK, "another file has another tag");
}

#[test]
fn the_page_is_what_stands_in_its_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/page");
    let there: BTreeSet<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".rs"))
        .collect();
    let served: BTreeSet<_> = files()
        .map(|file| match file.path.rsplit('/').next() {
            Some("") | None => "index.html".to_owned(),
            Some(name) => name.to_owned(),
        })
        .collect();
    assert_eq!(served, there);
    let len: usize = files().map(|file| file.text.len()).sum();
    assert!(len <= PAGE_LEN_MAX, "{len} bytes");
}

#[test]
fn every_module_that_is_imported_is_served() {
    let served: BTreeSet<_> = MODULES.iter().map(|module| module.path).collect();
    for module in MODULES {
        let imports = module.text.split(" from './").skip(1);
        for name in imports.filter_map(|rest| rest.split('\'').next()) {
            let path = format!("/page/{name}");
            assert!(
                served.contains(path.as_str()),
                "{} imports {path}",
                module.path
            );
        }
    }
}

/// The policy would stop it; this says so before a browser does.
#[test]
fn nothing_becomes_markup_and_nothing_comes_from_elsewhere() {
    for file in files() {
        let elsewhere = file.text.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("://"), "{}", file.path);
        for sink in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!file.text.contains(sink), "{} in {}", sink, file.path);
        }
        assert!(
            !DOCUMENT.text.contains(" style="),
            "styles stand in the style sheet"
        );
    }
}
