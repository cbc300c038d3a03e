//! Takes the terminal over, and gives it back as it was found: at the end, after an error, in a panic.

use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::ResetColor;
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate,
    EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{execute, queue};

use super::row::Row;

/// The terminal while it is ours.
pub(super) struct Terminal<'a> {
    out: &'a mut io::Stdout,
    size: (u16, u16),
}

static PANIC_HOOK: Once = Once::new();

/// Whether there is something to give back.
static TAKEN: AtomicBool = AtomicBool::new(false);

impl<'a> Terminal<'a> {
    pub fn take(out: &'a mut io::Stdout) -> io::Result<Self> {
        // The message of a panic must not go to a screen that is about to vanish.
        PANIC_HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                give_back();
                before(info);
            }));
        });
        terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        // From here on dropping it gives everything back, also if the next call fails.
        let taken = Self { out, size: (0, 0) };
        execute!(taken.out, EnterAlternateScreen, DisableLineWrap, Hide)?;
        Ok(taken)
    }

    pub fn size() -> (u16, u16) {
        terminal::size().unwrap_or((80, 24))
    }

    /// Shows these rows, in one go: a terminal that can, shows no half of it.
    pub fn show(&mut self, rows: &[Row], size: (u16, u16)) -> io::Result<()> {
        let out = &mut *self.out;
        queue!(out, BeginSynchronizedUpdate)?;
        if self.size != size {
            self.size = size;
            queue!(out, Clear(ClearType::All))?;
        }
        for (row, at) in rows.iter().zip(0..size.1) {
            queue!(out, MoveTo(0, at))?;
            row.write(out, size.0)?;
            // Behind a full row the cursor still stands on its last sign, which would be cleared.
            if row.width() < usize::from(size.0) {
                queue!(out, Clear(ClearType::UntilNewLine))?;
            }
        }
        if let Some(rest) = u16::try_from(rows.len()).ok().filter(|rest| *rest < size.1) {
            queue!(out, MoveTo(0, rest), Clear(ClearType::FromCursorDown))?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        give_back();
    }
}

/// Once: a second time would put the cursor back to where it was, into the message of a panic. Nobody is left to tell if
/// it fails.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(io::stdout(), ResetColor, EndSynchronizedUpdate, EnableLineWrap, LeaveAlternateScreen, Show);
        let _ = terminal::disable_raw_mode();
    }
}
