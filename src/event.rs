//! Events, their times and batches.
