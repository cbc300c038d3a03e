//! What a command knows of where it is shown.

use std::io::IsTerminal as _;
#[cfg(not(test))]
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::scanning::watched;
use super::{Failure, exit};
use crate::client::meter::Meter;
#[cfg(test)]
use crate::client::meter::Part;
use crate::legible::legible;

#[derive(Clone, Debug, Default)]
pub struct Screen {
    /// Standard output is one.
    pub terminal: bool,
    /// Standard error is one.
    errors: bool,
    /// Columns and lines, where they are not to be asked for.
    size: Option<(u16, u16)>,
    ended: Arc<AtomicBool>,
    meter: Meter,
    #[cfg(test)]
    noted: Arc<std::sync::Mutex<String>>,
}

impl Screen {
    pub fn of_process() -> Self {
        let (terminal, errors) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        Self { terminal, errors, ..Self::default() }
    }

    /// Does what may take its time, and shows meanwhile, if somebody can see it, what the meter says.
    pub fn watched<T>(&self, work: impl FnOnce(&Meter) -> T) -> T {
        // What was done before is none of this.
        self.meter.clear();
        let work = || work(&self.meter);
        if self.errors { watched(&self.meter, work) } else { work() }
    }

    /// What was shown last while it lasted, or would have been.
    #[cfg(test)]
    pub fn part(&self) -> Option<Part> {
        self.meter.part()
    }

    /// Tells people something beside the output, which scripts may read.
    pub fn note(&self, line: &str) {
        let line = legible(line);
        #[cfg(test)]
        if let Ok(mut noted) = self.noted.lock() {
            noted.push_str(&line);
            noted.push('\n');
        }
        // Nobody may be reading: the output is the same.
        #[cfg(not(test))]
        let _ = writeln!(std::io::stderr(), "{line}");
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

    /// What was told beside the output.
    #[cfg(test)]
    pub fn noted(&self) -> String {
        self.noted.lock().map(|noted| noted.clone()).unwrap_or_default()
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
