//! Forebay with one more output: events to a stream of NATS JetStream.
//!
//! It is deferred: `try_write` starts to publish and returns, and the delivery is committed when the
//! server has acknowledged every message, which it does when they are stored. Each message carries an
//! id made of the chunk's and of its place, by which the server drops what is sent twice.
//!
//! ```yaml
//! outputs:
//!   bus: { type: nats, server: "nats://127.0.0.1:4222", stream: EVENTS, subject: "events.app" }
//! ```

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, stream};
use forebay::config::settings::{Fault, Period, Settings};
use forebay::output::{
    BoxFuture, Chunk, ChunkError, Deferred, Delivery, Failure, FailureScope, Lifecycle, Output,
};
use forebay::registry::{BoxError, OpenContext, OutputPlugin, Plugin, Registry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;

/// Where to publish.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
struct NatsSettings {
    /// The server's address.
    server: String,
    /// The stream; it is made if it is not there.
    stream: String,
    /// The subject of every message.
    subject: String,
    /// How long the server may take for one message.
    timeout: Period,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            server: "nats://127.0.0.1:4222".to_owned(),
            stream: "FOREBAY".to_owned(),
            subject: "forebay".to_owned(),
            timeout: Period(Duration::from_secs(5)),
        }
    }
}

impl Settings for NatsSettings {
    fn validate(&self) -> Result<(), Fault> {
        let is_a_name = |name: &str| !name.is_empty() && !name.contains(['.', '*', '>', ' ']);
        if !is_a_name(&self.stream) {
            return Err(Fault::of(
                "stream",
                "a stream's name has no dots, stars or spaces",
            ));
        }
        Ok(())
    }
}

struct NatsOutput {
    publisher: Arc<Publisher>,
    tasks: TaskTracker,
}

struct Publisher {
    jetstream: jetstream::Context,
    stream: stream::Config,
    subject: String,
    /// Filled when the stream is known to be there.
    is_there: OnceCell<()>,
}

impl Publisher {
    /// Publishes every event of the chunk, and waits until all are stored.
    async fn publish(&self, chunk: &Chunk) -> Result<(), BoxError> {
        let make = || self.jetstream.get_or_create_stream(self.stream.clone());
        self.is_there
            .get_or_try_init(|| async { make().await.map(drop) })
            .await?;
        let mut acknowledgements = Vec::new();
        for (place, record) in records(chunk)?.into_iter().enumerate() {
            let message = PublishMessage::build()
                .payload(record.into())
                .message_id(format!("{}-{place}", chunk.send_id()));
            let sent = self.jetstream.send_publish(self.subject.clone(), message);
            acknowledgements.push(sent.await?);
        }
        for acknowledgement in acknowledgements {
            acknowledgement.await?;
        }
        Ok(())
    }
}

/// The records as JSON.
fn records(chunk: &Chunk) -> Result<Vec<Vec<u8>>, ChunkError> {
    let mut records = Vec::new();
    chunk.each(|event| {
        let mut json = Vec::new();
        // What was stored is MessagePack.
        if event.write_json(&mut json).is_ok() {
            records.push(json);
        }
        Ok::<_, ChunkError>(())
    })?;
    Ok(records)
}

impl Deferred for NatsOutput {
    fn try_write(&self, delivery: Delivery) -> BoxFuture<'_, ()> {
        let publisher = Arc::clone(&self.publisher);
        self.tasks.spawn(async move {
            match publisher.publish(delivery.chunk()).await {
                Ok(()) => delivery.commit(),
                Err(error) => {
                    let reason = error.to_string();
                    delivery.roll_back(Failure::new(FailureScope::Destination, reason));
                }
            }
        });
        Box::pin(std::future::ready(()))
    }
}

impl Lifecycle for NatsOutput {
    fn close(&self) -> BoxFuture<'_, ()> {
        self.tasks.close();
        Box::pin(self.tasks.wait())
    }
}

struct Nats;

impl Plugin for Nats {
    const NAME: &'static str = "nats";
    const ABOUT: &'static str = "Publishes events to a stream of NATS JetStream.";
    type Settings = NatsSettings;
}

impl OutputPlugin for Nats {
    async fn open(&self, settings: &NatsSettings, _: &OpenContext) -> Result<Output, BoxError> {
        // A server that is away does not stop the start: what comes meanwhile is kept.
        let options = ConnectOptions::new().retry_on_initial_connect();
        let client = options.connect(&settings.server).await?;
        let mut jetstream = jetstream::new(client);
        jetstream.set_timeout(settings.timeout.0);
        let publisher = Publisher {
            jetstream,
            stream: stream::Config {
                name: settings.stream.clone(),
                subjects: vec![settings.subject.clone()],
                ..stream::Config::default()
            },
            subject: settings.subject.clone(),
            is_there: OnceCell::new(),
        };
        let output = NatsOutput {
            publisher: Arc::new(publisher),
            tasks: TaskTracker::new(),
        };
        Ok(Output::of(Arc::new(output)).deferred().into())
    }
}

fn main() -> ExitCode {
    let registry = Registry::builtin().output(Nats).expect("the name is free");
    forebay::cli::main(registry)
}
