//! Why a request is refused, and how that is answered.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::buffer::Refused;
use crate::msgpack;
use crate::msgpack::from_json::JsonError;
use crate::wire::compression::UnpackError;
use crate::wire::http::Problem;

/// When to try again if nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a request is refused. Nothing of it is acknowledged.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("events are posted")]
    Method,
    #[error("the path is no tag: {0}")]
    Tag(&'static str),
    #[error("time is seconds since the epoch, with up to nine decimals: 1700000000.5")]
    Time,
    #[error("an Idempotency-Key has at most {size_max} bytes")]
    IdempotencyKey { size_max: usize },
    #[error(
        "Content-Type is none of application/json, application/x-ndjson, application/msgpack, \
         application/x-www-form-urlencoded"
    )]
    ContentType,
    #[error("Content-Encoding is none of gzip, zstd, identity")]
    ContentEncoding,
    #[error("the body has more than {size_max} bytes")]
    TooLarge { size_max: usize },
    #[error("the body came too slowly")]
    Slow,
    #[error("other bodies take all the memory that there is for them")]
    NoMemory,
    #[error("the body was cut off")]
    CutOff,
    #[error("{0}")]
    Packing(#[from] UnpackError),
    #[error("{error}{}", if error.is_incomplete { ": it ends early" } else { "" })]
    Json {
        #[from]
        error: JsonError,
    },
    #[error("not MessagePack in the value at byte {offset}: {source}")]
    Msgpack {
        offset: usize,
        source: msgpack::Error,
    },
    #[error(
        "the form has neither a field json nor a field msgpack; for JSON in the body itself, say \
         Content-Type: application/json"
    )]
    Form,
    #[error("the body could not be read: an error in the daemon")]
    Internal,
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Tag(_)
            | Self::Time
            | Self::IdempotencyKey { .. }
            | Self::CutOff
            | Self::Packing(UnpackError::Damaged { .. })
            | Self::Json { .. }
            | Self::Msgpack { .. }
            | Self::Form
            | Self::Refused(Refused::Malformed { .. }) => StatusCode::BAD_REQUEST,
            Self::ContentType | Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } | Self::Packing(UnpackError::TooLarge { .. }) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            // The destination's word is final: the same request would fail again.
            Self::Refused(Refused::NotTaken {
                retry_after: None, ..
            }) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoMemory
            | Self::Refused(
                Refused::HeldBack { .. }
                | Refused::NotStored { .. }
                | Refused::NotTaken { .. }
                | Refused::Stopping,
            ) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(Refused::HeldBack { retry_after, .. }) => Some(*retry_after),
            Self::Refused(Refused::NotTaken { retry_after, .. }) => *retry_after,
            Self::NoMemory | Self::Refused(Refused::NotStored { .. } | Refused::Stopping) => {
                Some(RETRY_AFTER)
            }
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if matches!(self, Self::Method) {
            return Problem::method_not_allowed("POST").into_response();
        }
        let mut problem = Problem::new(self.status(), self.to_string());
        if let Some(wait) = self.retry_after() {
            problem = problem.retry_after(wait);
        }
        problem.into_response()
    }
}
