//! A worker that has joined without a producer to ask whose the name is.

use crate::time::Timestamp;

/// The worker has joined without a producer that says whose the name is.
#[derive(Clone, Copy, Default)]
pub struct Trial {
    /// When it was given its place.
    pub since: Option<Timestamp>,
    /// It was fenced since it has no producer.
    pub fenced: bool,
}
