//! How a measurement fails: with whatever failed in it.

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
