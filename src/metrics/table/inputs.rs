//! What inputs take in.

use super::{Read, Section, counter, gauge, load};

pub(super) const SECTION: Section = Section {
    title: "Inputs",
    about: "What comes in, and who is refused, by input.",
    families: &[
        gauge(
            "forebay_input_connections",
            "connections",
            Read::Input(|i| load(&i.connections_open)),
            "Connections open.",
            "How many senders are there; near the limit, new ones wait.",
        ),
        gauge(
            "forebay_input_connections_limit",
            "connections",
            Read::Input(|i| load(&i.connections_max)),
            "Connections that may be open.",
            "The bound of `forebay_input_connections`.",
        ),
        gauge(
            "forebay_input_read_memory_bytes",
            "bytes",
            Read::Input(|i| load(&i.read_memory)),
            "Memory taken for what is being read and unpacked.",
            "At the limit, senders are read one after the other.",
        ),
        gauge(
            "forebay_input_read_memory_limit_bytes",
            "bytes",
            Read::Input(|i| load(&i.read_memory_max)),
            "Memory that may be taken for it; one message at a time may go beyond.",
            "The bound of `forebay_input_read_memory_bytes`.",
        ),
        counter(
            "forebay_input_accepted_connections_total",
            "connections",
            Read::Input(|i| load(&i.connections_total)),
            "Connections accepted.",
            "Senders that connect anew for each batch.",
        ),
        counter(
            "forebay_input_failed_connections_total",
            "connections",
            Read::Input(|i| load(&i.connections_failed)),
            "Connections closed because of what came over them.",
            "Senders that speak another protocol, or have the wrong key.",
        ),
        counter(
            "forebay_input_batches_total",
            "batches",
            Read::Input(|i| load(&i.batches)),
            "Batches taken in.",
            "Events in each batch: divide the events by it.",
        ),
        counter(
            "forebay_input_events_total",
            "events",
            Read::Input(|i| load(&i.events)),
            "Events taken in, without those that were set aside or that no route matched.",
            "The load, and the left side of the balance of events.",
        ),
        counter(
            "forebay_input_bytes_total",
            "bytes",
            Read::Input(|i| load(&i.bytes)),
            "Bytes of payload taken in, unpacked.",
            "The load in bytes.",
        ),
        counter(
            "forebay_input_refused_batches_total",
            "batches",
            Read::Input(|i| load(&i.batches_refused)),
            "Batches refused to the sender.",
            "Senders have them still, and come again; alert ForebayBatchesRefused.",
        ),
        counter(
            "forebay_input_failed_reads_total",
            "reads",
            Read::Input(|i| load(&i.reads_failed)),
            "Reads that failed.",
            "An input that is read, such as `stdin`, has trouble.",
        ),
        gauge(
            "forebay_input_stuck",
            "0 or 1",
            Read::Input(|i| load(&i.stuck)),
            "1 while a read takes longer than it may.",
            "An input that hangs takes nothing in and says nothing.",
        ),
        counter(
            "forebay_input_undecoded_events_total",
            "events",
            Read::Input(|i| load(&i.undecoded)),
            "Events whose bytes could not be decoded; set aside.",
            "A decoder that does not fit what comes; they are among the dead letters.",
        ),
        counter(
            "forebay_input_unknown_decoder_events_total",
            "events",
            Read::Input(|i| load(&i.unknown_decoders)),
            "Events that asked for a decoder that is not there; set aside.",
            "A mistake in an input of one's own; they are among the dead letters.",
        ),
    ],
};
