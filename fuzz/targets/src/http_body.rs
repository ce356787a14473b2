//! A whole request to the HTTP input.
//!
//! Input: a byte (what the body is said to hold, and how it is packed), a line with path and query,
//! then the body.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use forebay::config::plan::HttpInputPlan;
use forebay::event::check;
use forebay::input::http::fuzzing::router;
use forebay::wire::compression::Codec;
use tower_service::Service as _;

use crate::recorder::{Batch, Recorder};

const TYPES: [&str; 4] = [
    "application/json",
    "application/x-ndjson",
    "application/msgpack",
    "application/x-www-form-urlencoded",
];

/// Most bytes of a body once it is unpacked.
const UNPACKED_SIZE_MAX: usize = 256 << 10;

/// Bodies up to this size are taken packed and unpacked, even where packing makes them longer.
const PACKED_SIZE_MAX: usize = 60 << 10;

/// How many bytes one byte of a body can become.
const GROWTH_MAX: usize = 12;

pub(crate) fn run(bytes: &[u8]) {
    let [kind, rest @ ..] = bytes else {
        return;
    };
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (line, body) = rest.split_at(end.unwrap_or(0));
    let body = body.get(1..).unwrap_or_default();
    let content_type = TYPES[usize::from(kind % 4)];
    let codec = [None, None, Some(Codec::Gzip), Some(Codec::Zstd)][usize::from(kind / 4 % 4)];
    let Some((status, batches)) = post(line, content_type, codec, body) else {
        return;
    };
    the_answer_is_true(status, &batches);
    if codec.is_none() {
        assert!(
            batches
                .iter()
                .all(|b| b.payload.len() <= body.len() * GROWTH_MAX)
        );
        packing_changes_nothing(line, content_type, body, (status, batches));
    }
}

fn the_answer_is_true(status: StatusCode, batches: &[Batch]) {
    match status {
        StatusCode::OK => {
            assert!(batches.len() <= 1);
            for batch in batches {
                assert!(check(&batch.payload).is_ok(), "only whole values go on");
                assert!(!batch.tag.is_empty());
            }
        }
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => assert!(batches.is_empty()),
        other => panic!("{other} for a body"),
    }
}

fn packing_changes_nothing(
    line: &[u8],
    content_type: &str,
    body: &[u8],
    plain: (StatusCode, Vec<Batch>),
) {
    if body.len() > PACKED_SIZE_MAX {
        return;
    }
    for codec in [Codec::Gzip, Codec::Zstd] {
        let packed = codec.pack(body).expect("memory does not fail");
        let again = post(line, content_type, Some(codec), &packed);
        assert_eq!(again.as_ref(), Some(&plain));
    }
}

/// What was answered and stored; `None` if the line is no path.
fn post(
    line: &[u8],
    content_type: &str,
    codec: Option<Codec>,
    body: &[u8],
) -> Option<(StatusCode, Vec<Batch>)> {
    // No request has a fragment, and each here a time, since that of the arrival differs.
    let line = std::str::from_utf8(line)
        .ok()
        .filter(|line| !line.contains('#'))?;
    let uri = format!("/{line}");
    let separator = if uri.contains('?') { '&' } else { '?' };
    let request =
        Request::post(format!("{uri}{separator}time=7")).header("content-type", content_type);
    let request = match codec {
        None => request,
        Some(codec) => request.header("content-encoding", codec.name()),
    };
    let request = request.body(Body::from(body.to_vec())).ok()?;
    let recorder = Arc::new(Recorder::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let mut service = router(recorder.context(), &plan());
    let Ok(response) = runtime.block_on(service.call(request));
    Some((response.status(), recorder.take()))
}

fn plan() -> HttpInputPlan {
    HttpInputPlan {
        listen: ([127, 0, 0, 1], 0).into(),
        body_size_max: 64 << 10,
        unpacked_size_max: UNPACKED_SIZE_MAX,
        connections_max: 1,
        read_memory_max: 1 << 20,
        patience: Duration::from_secs(1),
        tls: None,
    }
}
