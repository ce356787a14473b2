//! Small messages that came together are handed over together.

use std::borrow::Cow;

use super::{Handover, entry};
use crate::buffer::{Incoming, READY_SIZE_MAX, Ready};
use crate::input::forward::acks::Taken;
use crate::input::forward::error::ConnectionError;
use crate::input::forward::stream::Reader;
use crate::input::memory::Share;
use crate::wire::forward::{self, Entries, Layout, Message};

/// Most messages handed over at once, so that other connections have their turn soon.
const MESSAGE_COUNT_MAX: usize = 64;

/// Longer messages are not handed over with others.
const MESSAGE_SIZE_MAX: usize = READY_SIZE_MAX + 1024;

impl Handover<'_> {
    /// Whether another message may be handed over together with these.
    pub(in crate::input::forward) fn has_room_behind(&self, messages: &[Layout]) -> bool {
        let is_small = |layout: &Layout| layout.len <= MESSAGE_SIZE_MAX;
        messages.len() < MESSAGE_COUNT_MAX && messages.last().is_some_and(is_small)
    }

    /// Hands over the messages that `bytes` begin with, in their order.
    ///
    /// # Errors
    /// As [`message`](Self::message): the messages before the one in question have been taken.
    pub(in crate::input::forward) async fn messages(
        &self,
        mut bytes: &[u8],
        mut layouts: &[Layout],
        share: &mut Share,
        reader: &impl Reader,
    ) -> Result<(), ConnectionError> {
        while let Some(first) = layouts.first() {
            let mut count = self.at_once(bytes, layouts, share);
            if count == 0 {
                self.message(bytes, first, share, reader).await?;
                count = 1;
            }
            let (done, rest) = layouts.split_at(count);
            let size: usize = done.iter().map(|layout| layout.len).sum();
            bytes = &bytes[size..];
            layouts = rest;
        }
        Ok(())
    }

    /// Hands over the first messages if the intake takes them without waiting; gives how many.
    fn at_once(&self, bytes: &[u8], layouts: &[Layout], share: &mut Share) -> usize {
        let messages = small_messages(bytes, layouts, self.places.available_permits());
        let count = u32::try_from(messages.len()).unwrap_or(0);
        let Ok(mut places) = self.places.try_acquire_many(count) else {
            return 0;
        };
        let extra = messages.iter().map(extra_size).sum();
        if messages.is_empty() || !share.try_grow(extra) {
            return 0;
        }
        let payloads: Vec<_> = messages.iter().map(payload).collect();
        let batches: Vec<_> = messages.iter().zip(&payloads).map(batch).collect();
        let ready = self.shared.context.intake.accept_ready(&batches);
        share.give_back(extra);
        let Some(Ready {
            batch_count,
            pending,
        }) = ready
        else {
            return 0;
        };
        drop(places.split(messages.len() - batch_count));
        let mut acks = Vec::new();
        let chunks = messages[..batch_count].iter();
        for chunk in chunks.filter_map(|message| message.options.chunk) {
            forward::write_ack(&mut acks, chunk);
        }
        let sizes = payloads[..batch_count].iter();
        self.taken(
            places,
            Taken {
                pending,
                batch_count,
                acks,
                payload_size: sizes.map(|payload| payload.len() as u64).sum(),
            },
        );
        batch_count
    }
}

/// The first messages, as far as they are small batches with nothing special about them.
fn small_messages<'a>(
    mut bytes: &'a [u8],
    layouts: &[Layout],
    count_max: usize,
) -> Vec<Message<'a>> {
    let mut messages = Vec::with_capacity(layouts.len().min(count_max));
    for layout in layouts.iter().take(count_max) {
        if layout.len > MESSAGE_SIZE_MAX {
            break;
        }
        match Message::read(bytes, layout) {
            Ok(Some(message)) if is_usual(&message) => messages.push(message),
            _ => break,
        }
        bytes = &bytes[layout.len..];
    }
    messages
}

fn is_usual(message: &Message<'_>) -> bool {
    let is_compressed = matches!(message.entries, Entries::Compressed(..));
    !is_compressed && message.options.signal.unwrap_or(0) == 0
}

/// Bytes of memory that its payload takes beside the message.
fn extra_size(message: &Message<'_>) -> usize {
    match message.entries {
        Entries::Single { time, record } => 1 + time.len() + record.len(),
        Entries::Packed(_) | Entries::Compressed(..) => 0,
    }
}

fn payload<'a>(message: &Message<'a>) -> Cow<'a, [u8]> {
    match message.entries {
        Entries::Single { time, record } => entry(time, record).into(),
        Entries::Packed(payload) | Entries::Compressed(_, payload) => payload.into(),
    }
}

fn batch<'a>((message, payload): (&Message<'a>, &'a Cow<'_, [u8]>)) -> Incoming<'a> {
    Incoming {
        tag: message.tag,
        payload,
        batch_id: message.options.batch_id(),
        patience: None,
    }
}
