//! Threads of an instance.

use std::thread;

use crate::worker::Stop;

/// # Errors
/// [`Stop::Other`]: the system has none left.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Stop> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|error| Stop::Other(format!("no thread can be started: {error}")))
}
