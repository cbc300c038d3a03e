//! What a command knows of where it is shown.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Failure, exit};

#[derive(Clone, Debug, Default)]
pub struct Screen {
    /// Standard output is one.
    pub terminal: bool,
    /// Columns and lines, where they are not to be asked for.
    size: Option<(u16, u16)>,
    ended: Arc<AtomicBool>,
}

impl Screen {
    pub fn of_process() -> Self {
        Self { terminal: std::io::stdout().is_terminal(), ..Self::default() }
    }

    /// From now on Ctrl-C ends what is being watched, and not the process: the second one does.
    ///
    /// # Errors
    /// [`exit::OTHER`].
    pub fn hear_signals(&self) -> Result<(), Failure> {
        let cannot = |error| Failure::new(exit::OTHER, format!("no signals can be heard: {error}"));
        for signal in [SIGINT, SIGTERM] {
            let ended = || Arc::clone(&self.ended);
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, ended()).map_err(cannot)?;
            signal_hook::flag::register(signal, ended()).map_err(cannot)?;
        }
        Ok(())
    }

    #[cfg(test)]
    pub fn of_size(size: (u16, u16)) -> Self {
        Self { terminal: true, size: Some(size), ..Self::default() }
    }

    #[cfg(test)]
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub fn size(&self) -> (u16, u16) {
        self.size.unwrap_or_else(|| crossterm::terminal::size().unwrap_or((80, 24)))
    }
}
