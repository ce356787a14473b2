//! A connection without its socket, for the fuzz targets. Only with the feature `fuzzing`.

use tokio::io::{AsyncRead, AsyncWrite, ReadHalf};

use super::Shared;
use super::connection::serve_halves;
use super::stream::Reader;
use crate::config::plan::ForwardInputPlan;
use crate::input::InputContext;

impl<S: AsyncRead + Unpin + Send + Sync> Reader for ReadHalf<S> {
    fn has_hung_up(&self) -> bool {
        false
    }
}

/// Serves one connection over `stream`, from the handshake on if the plan asks for one; no TLS.
///
/// # Errors
/// Why the connection ended early, as text.
pub async fn serve<S>(
    plan: &ForwardInputPlan,
    context: InputContext,
    stream: S,
) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + Sync,
{
    let shared = Shared::new(plan.clone(), None, context);
    let (reader, writer) = tokio::io::split(stream);
    let served = serve_halves(&shared, reader, writer).await;
    served.map_err(|error| error.to_string())
}
