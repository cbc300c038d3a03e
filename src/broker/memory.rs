//! The in-process adapter.
