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
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&ended))?;
        }
        Ok(Self(ended))
    }

    pub fn have_ended(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
