//! Ctrl-C, `kill`, a terminal that was closed: the demo is to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Knows whether a signal has asked for the end.
#[derive(Clone, Debug)]
pub struct Signals(Arc<AtomicBool>);

impl Signals {
    /// `code`: how the process ends if it is asked twice.
    ///
    /// # Errors
    /// The operating system's.
    pub fn watch(code: i32) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Whoever asks twice does not want to wait for a frame.
            signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&ended))?;
            signal_hook::flag::register(signal, Arc::clone(&ended))?;
        }
        Ok(Self(ended))
    }

    #[must_use]
    pub fn have_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Ends the process with this code when its terminal is closed, after `farewell`: there is nothing to give back, and reading its
/// keys would never return.
///
/// # Errors
/// The operating system's.
pub fn at_hangup(code: i32, farewell: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP])?;
    let wait = move || {
        if signals.forever().next().is_some() {
            farewell();
            std::process::exit(code);
        }
    };
    std::thread::Builder::new().name("hangup".to_owned()).spawn(wait).map(drop)
}
