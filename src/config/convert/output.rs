//! Outputs.

use std::path::PathBuf;

use super::check::{self, OrDefault as _};
use super::template;
use crate::config::decode::OneOrMany;
use crate::config::defaults::output as defaults;
use crate::config::error::{At, Position, Problems};
use crate::config::plan::{
    ClientIdentity, ClientSecurity, ClientTls, Compression, FileFormat, FileOutputPlan,
    ForwardOutputPlan, HttpFormat, HttpMethod, HttpOutputPlan, NullOutputPlan, OutputPlan,
    StdoutOutputPlan,
};
use crate::config::schema;
use crate::config::types::{PluginKind, Types};
use crate::event::FieldPath;

mod server;

/// The plan for one output; `None` once `problems` says why.
pub(super) fn output(
    output: schema::Output,
    at: &At<String>,
    types: &dyn Types,
    problems: &mut Problems,
) -> Option<OutputPlan> {
    let name = at.position;
    match output {
        schema::Output::Other(other) => {
            let builtin = schema::Output::TYPES;
            let kind = PluginKind::Output;
            super::other(kind, at, &other, builtin, types, problems).map(OutputPlan::Other)
        }
        schema::Output::Forward(output) => forward(*output, name, problems),
        schema::Output::Http(output) => http(*output, name, problems),
        schema::Output::File(output) => file(*output, name, problems),
        schema::Output::Stdout(output) => {
            let format = format(output.format, output.fields, name, problems)?;
            Some(OutputPlan::Stdout(StdoutOutputPlan {
                format,
                buffered: output.buffered.or_default_of(true),
            }))
        }
        schema::Output::Null(output) => {
            let buffered = output.buffered.or_default_of(true);
            Some(OutputPlan::Null(NullOutputPlan { buffered }))
        }
    }
}

fn forward(
    output: schema::ForwardOutput,
    name: Position,
    problems: &mut Problems,
) -> Option<OutputPlan> {
    let servers = server::servers(output.servers, name, problems);
    let security = output.security.map(|at| security(at, problems));
    let tls = output.tls.map(|at| tls(at.value, problems));
    let tag = output.tag.map(|at| template::template(at, problems));
    Some(OutputPlan::Forward(ForwardOutputPlan {
        connect_timeout: check::positive(
            output.connect_timeout,
            defaults::CONNECT_TIMEOUT,
            problems,
        ),
        send_timeout: check::positive(output.send_timeout, defaults::SEND_TIMEOUT, problems),
        ack_timeout: check::positive(output.ack_timeout, defaults::ACK_TIMEOUT, problems),
        require_ack: output.require_ack.or_default_of(true),
        compress: output.compress.or_default_of(Compression::None),
        servers: servers?,
        security: transpose(security)?,
        tls: transpose(tls)?,
        tag: transpose(tag)?,
    }))
}

/// `None` only if something is there and wrong.
#[expect(
    clippy::option_option,
    reason = "the outer level says whether it was written"
)]
fn transpose<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        Some(None) => None,
        Some(value) => Some(value),
        None => Some(None),
    }
}

fn security(at: At<schema::OutputSecurity>, problems: &mut Problems) -> Option<ClientSecurity> {
    let At { value, position } = at;
    let self_hostname = check::required(value.self_hostname, "self_hostname", position, problems);
    let shared_key = check::required(value.shared_key, "shared_key", position, problems);
    let user = match (value.username, value.password) {
        (Some(username), Some(password)) => Some((username.value, password.value)),
        (None, None) => None,
        (Some(username), None) => {
            problems.add(username.position, "`username` without `password`");
            None
        }
        (None, Some(password)) => {
            problems.add(password.position, "`password` without `username`");
            None
        }
    };
    Some(ClientSecurity {
        self_hostname: check::non_empty(Some(self_hostname?), problems)?,
        shared_key: shared_key?.value,
        user,
    })
}

fn tls(tls: schema::ClientTls, problems: &mut Problems) -> Option<ClientTls> {
    let identity = match (tls.cert_path, tls.key_path) {
        (Some(cert_path), Some(key_path)) => Some(ClientIdentity {
            cert_path: check::non_empty(Some(cert_path), problems)?.into(),
            key_path: check::non_empty(Some(key_path), problems)?.into(),
        }),
        (None, None) => None,
        (Some(cert_path), None) => {
            problems.add(cert_path.position, "`cert_path` without `key_path`");
            None
        }
        (None, Some(key_path)) => {
            problems.add(key_path.position, "`key_path` without `cert_path`");
            None
        }
    };
    Some(ClientTls {
        ca_path: check::non_empty(tls.ca_path, problems).map(PathBuf::from),
        server_name: check::non_empty(tls.server_name, problems),
        identity,
    })
}

fn http(output: schema::HttpOutput, name: Position, problems: &mut Problems) -> Option<OutputPlan> {
    let url = check::required(output.url, "url", name, problems).and_then(|at| {
        check_scheme(&at, problems);
        template::template(at, problems)
    });
    let headers = output.headers.or_default_of(Vec::new());
    let tls = match output.tls {
        Some(at) => tls(at.value, problems),
        None => Some(ClientTls {
            ca_path: None,
            server_name: None,
            identity: None,
        }),
    };
    Some(OutputPlan::Http(HttpOutputPlan {
        method: output.method.or_default_of(HttpMethod::Post),
        format: output.format.or_default_of(HttpFormat::Ndjson),
        compress: output.compress.or_default_of(Compression::None),
        headers: headers
            .into_iter()
            .map(|(header, value)| (header_name(header, problems), value))
            .collect(),
        connect_timeout: check::positive(
            output.connect_timeout,
            defaults::CONNECT_TIMEOUT,
            problems,
        ),
        request_timeout: check::positive(
            output.request_timeout,
            defaults::REQUEST_TIMEOUT,
            problems,
        ),
        url: url?,
        tls: tls?,
        buffered: output.buffered.or_default_of(true),
    }))
}

fn check_scheme(url: &At<String>, problems: &mut Problems) {
    let has_scheme = ["http://", "https://"]
        .iter()
        .any(|scheme| url.value.len() > scheme.len() && url.value.starts_with(scheme));
    if !has_scheme {
        let message = format!("`{}` is not a URL", url.value);
        let hint = "it begins with `http://` or `https://` and a host".to_owned();
        problems.add_with_hint(url.position, message, Some(hint));
    }
}

fn header_name(name: At<String>, problems: &mut Problems) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.value.is_empty() || !name.value.chars().all(is_token) {
        problems.add(
            name.position,
            format!("`{}` cannot be a header's name", name.value),
        );
    }
    name.value
}

fn file(output: schema::FileOutput, name: Position, problems: &mut Problems) -> Option<OutputPlan> {
    let path = check::required(output.path, "path", name, problems).and_then(|at| {
        if at.value.is_empty() {
            problems.add(at.position, "this must not be empty");
        }
        template::template(at, problems)
    });
    let format = format(output.format, output.fields, name, problems);
    Some(OutputPlan::File(FileOutputPlan {
        path: path?,
        append: output.append.or_default_of(true),
        format: format?,
        compress: output.compress.or_default_of(Compression::None),
    }))
}

/// The format, with the columns that `csv` needs and no other has.
fn format(
    format: Option<At<schema::FileFormat>>,
    fields: Option<At<OneOrMany<String>>>,
    name: Position,
    problems: &mut Problems,
) -> Option<FileFormat> {
    let position = format.as_ref().map_or(name, |at| at.position);
    let format = format.or_default_of(schema::FileFormat::Ndjson);
    if let (Some(fields), true) = (&fields, format != schema::FileFormat::Csv) {
        problems.add(fields.position, "`fields` belongs to `format: csv`");
    }
    match format {
        schema::FileFormat::Ndjson => Some(FileFormat::Ndjson),
        schema::FileFormat::Json => Some(FileFormat::Json),
        schema::FileFormat::Csv => csv(fields, position, problems),
        schema::FileFormat::Ltsv => Some(FileFormat::Ltsv),
        schema::FileFormat::Msgpack => Some(FileFormat::Msgpack),
    }
}

fn csv(
    fields: Option<At<OneOrMany<String>>>,
    format: Position,
    problems: &mut Problems,
) -> Option<FileFormat> {
    let fields = fields
        .map(|at| at.value)
        .filter(|fields| !fields.is_empty());
    let Some(fields) = fields else {
        problems.add(format, "`csv` needs `fields`, the columns in their order");
        return None;
    };
    for field in &fields {
        if let Err(error) = FieldPath::parse(&field.value) {
            problems.add(field.position, error.to_string());
        }
    }
    Some(FileFormat::Csv {
        fields: fields.into_iter().map(|field| field.value).collect(),
    })
}
