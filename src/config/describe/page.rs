//! The page of the guide that is made from the schema: `src/guide/configuration.md`.

use serde_json::Value;

use super::kind_word;

const HEAD: &str = r#"Everything that can be set, made from the schema of the configuration file.

One YAML file says everything. `forebay check -c FILE` reads it as `run` does and prints what it means, without opening
anything; what is wrong is shown with its line and the nearest valid name. `forebay plugins NAME` shows the settings of one
type, `forebay schema` gives editors a JSON Schema. `deploy/config/` has an example for each common job.

In values, `${NAME}` is replaced by an environment variable, `${NAME:-default}` by it or by the default, `${file:/path}` by
a file's text without the newline at its end, for secrets. Sizes are written as `8MiB`, durations as `1m30s`. Where a list
is asked for, a single value will do. Names are Fluentd's where the meaning is the same; other names that a setting goes by
stand beside it.
"#;

/// The page as Markdown.
pub(super) fn page(file: &Value) -> String {
    let mut page = Page(HEAD.to_owned());
    let place = Place {
        path: String::new(),
        of_type: None,
    };
    page.table(&place, file);
    page.0
}

struct Page(String);

/// A place in the file.
#[derive(Clone)]
struct Place {
    /// The names that lead to it, with dots between and one after.
    path: String,
    /// The type of plugin that it is in, if any.
    of_type: Option<String>,
}

impl Place {
    fn below(&self, name: &str) -> Self {
        let path = format!("{}{name}.", self.path);
        Self {
            path,
            ..self.clone()
        }
    }

    fn title(&self) -> String {
        let path = self.path.trim_end_matches('.');
        match &self.of_type {
            Some(of_type) => format!("`{path}`, `type: {of_type}`"),
            None if path.is_empty() => "The file".to_owned(),
            None => format!("`{path}`"),
        }
    }
}

impl Page {
    /// The settings of a table under a heading, then those of the tables in it.
    fn table(&mut self, place: &Place, table: &Value) {
        let Some(properties) = table["properties"].as_object() else {
            return;
        };
        let about = table["description"].as_str().unwrap_or_default();
        self.0 += &format!("\n# {}\n\n{about}\n\n", place.title());
        self.0 += "| setting | value | if absent | what it is |\n|---|---|---|---|\n";
        let required = required(table);
        let own = |(name, setting): &(&String, &Value)| {
            *name != "type" && another_name(setting).is_none()
        };
        for (name, setting) in properties.iter().filter(own) {
            let is_required = required.contains(&name.as_str());
            self.0 += &row(name, setting, is_required, &others(name, table));
        }
        for (name, setting) in properties.iter().filter(own) {
            self.below(&place.below(name), setting);
        }
    }

    /// What stands below a setting, if that is not a single value.
    fn below(&mut self, place: &Place, setting: &Value) {
        let named = &setting["additionalProperties"];
        if named.is_object() {
            self.below(&place.below("<name>"), named);
        }
        for of_type in setting["allOf"].as_array().into_iter().flatten() {
            let name = of_type["if"]["properties"]["type"]["enum"][0].as_str();
            let place = Place {
                of_type: name.map(str::to_owned),
                ..place.clone()
            };
            self.table(&place, &of_type["then"]);
        }
        for choice in setting["anyOf"].as_array().into_iter().flatten() {
            self.below(place, choice);
        }
        // A plugin's own table has nothing but its type.
        if setting["allOf"].is_null() {
            self.table(place, setting);
        }
    }
}

fn row(name: &str, setting: &Value, is_required: bool, others: &[&str]) -> String {
    let others: String = others.iter().map(|other| format!(", `{other}`")).collect();
    let about = setting["description"].as_str().unwrap_or_default();
    let kind = kind_word(setting).replace('|', "\\|");
    let default = match &setting["default"] {
        Value::Null if is_required => "must be there".to_owned(),
        Value::Null => String::new(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    };
    format!("| `{name}`{others} | {kind} | {default} | {about} |\n")
}

fn required(table: &Value) -> Vec<&str> {
    let names = table["required"].as_array().into_iter().flatten();
    names.filter_map(Value::as_str).collect()
}

/// The name that this is another one of.
fn another_name(setting: &Value) -> Option<&str> {
    let about = setting["description"].as_str()?;
    about.strip_prefix("Another name of `")?.strip_suffix("`.")
}

/// The other names of the setting `name` of a table.
fn others<'a>(name: &str, table: &'a Value) -> Vec<&'a str> {
    let properties = table["properties"].as_object().into_iter().flatten();
    let others = properties.filter(|(_, setting)| another_name(setting) == Some(name));
    others.map(|(other, _)| other.as_str()).collect()
}
