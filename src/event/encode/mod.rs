//! From a batch to bytes.
