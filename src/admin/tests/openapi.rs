//! What the API says of itself.

use std::collections::{BTreeMap, BTreeSet};

use super::super::*;
use super::canned::healthy;
use super::rig::{READ, guarded, served_as};
use crate::config::plan::AdminRole;

/// Everything that can be asked for, as `METHOD path` with who may.
pub(super) fn operations() -> BTreeSet<(String, &'static str)> {
    let data_dir = tempfile::tempdir().unwrap();
    let gate = Gate {
        access: Access::new(&BTreeMap::new()),
        rates: Rates::new(1, Clock::start()),
        audit: Audit::open(data_dir.path(), Clock::start()).unwrap(),
    };
    let api = handlers::api(Arc::new(gate));
    let operations = api.outline().operations().map(|operation| {
        let who = match operation.role {
            None => "all",
            Some(AdminRole::Read) => "read",
            Some(AdminRole::Admin) => "admin",
        };
        (format!("{} {}", operation.method, operation.path), who)
    });
    operations.collect()
}

#[tokio::test]
async fn the_module_page_names_everything_that_can_be_asked_for() {
    let page = include_str!("../../admin.rs");
    let rows = page.lines().filter_map(|line| {
        let (path, rest) = line.strip_prefix("//! | `")?.split_once("` | ")?;
        Some((path.to_owned(), rest.split(" | ").next()?))
    });
    assert_eq!(rows.collect::<BTreeSet<_>>(), operations());
}

#[tokio::test]
async fn the_description_tells_of_every_path_parameter_and_answer() {
    let served = served_as(healthy(), guarded()).await;
    let text = served.get_as("/api/v1/openapi.json", READ).await;
    let described = text.json();
    assert_eq!(described["openapi"], "3.1.0");
    for (operation, _) in operations() {
        let (method, path) = operation.split_once(' ').unwrap();
        let one = &described["paths"][path][method.to_ascii_lowercase()];
        assert!(one["operationId"].is_string(), "{operation}");
        let variables = path.matches('{').count();
        let parameters = one["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let in_path = parameters.iter().filter(|one| one["in"] == "path");
        assert_eq!(in_path.count(), variables, "{operation}");
        for parameter in parameters {
            let about = parameter["description"].as_str().unwrap_or_default();
            assert!(about.ends_with('.'), "{operation}: {parameter}");
        }
        let tells_404 = one["responses"]["404"].is_object();
        assert!(variables == 0 || tells_404, "{operation}");
    }
    let chunks = &described["paths"]["/api/v1/routes/{route}/chunks"]["get"];
    let mut parameters = chunks["parameters"].as_array().unwrap().iter();
    let limit = parameters.find(|one| one["name"] == "limit").unwrap();
    assert_eq!(limit["schema"]["type"], "integer");
    assert_eq!(limit["schema"]["maximum"], 1000);
    assert_eq!(chunks["security"][0]["token"][0], "read");
    let answer = &chunks["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(answer["$ref"], "#/components/schemas/ChunkPage");
    assert!(described["components"]["schemas"]["ChunkPage"].is_object());
}
