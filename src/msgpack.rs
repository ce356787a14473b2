//! The MessagePack cursor and what is built on it.
