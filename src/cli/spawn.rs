//! Threads of a command.

use std::thread;

use super::Failure;
use super::exit;

/// # Errors
/// The system has none left.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|error| Failure::new(exit::OTHER, format!("no thread can be started: {error}")))
}
