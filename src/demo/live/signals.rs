//! Ctrl-C, `kill`, a terminal that was closed: the demo is to end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Knows whether a signal has asked for the end.
pub(super) struct Signals(Arc<AtomicBool>);

impl Signals {
    pub fn watch() -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        // The terminal is gone: there is nothing to give back, and reading its keys would never return.
        signal_hook::flag::register_conditional_shutdown(SIGHUP, 0, Arc::new(AtomicBool::new(true)))?;
        for signal in [SIGINT, SIGTERM] {
            // Whoever asks twice does not want to wait for a frame.
            signal_hook::flag::register_conditional_shutdown(signal, 0, Arc::clone(&ended))?;
            signal_hook::flag::register(signal, Arc::clone(&ended))?;
        }
        Ok(Self(ended))
    }

    pub fn have_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
