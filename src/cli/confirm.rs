//! Asks before something happens that cannot be undone at once.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::{Failure, exit};
use crate::legible::legible;

/// Shows what would happen, and asks whether it shall. `yes`: it was answered before.
///
/// # Errors
/// [`exit::CONFIGURATION`]: there is no terminal to ask on. [`exit::OTHER`]: the answer was no.
pub fn confirm(preview: &str, yes: bool) -> Result<(), Failure> {
    confirm_or(preview, yes, "give --yes if it shall happen")
}

/// [`confirm`], with what to do where nobody can be asked.
///
/// # Errors
/// As [`confirm`].
pub fn confirm_or(preview: &str, yes: bool, fix: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let preview = legible(preview);
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let what = format!("{preview} This is asked about, and there is no terminal to ask on");
        return Err(Failure::new(exit::CONFIGURATION, what).hint(fix));
    }
    let mut terminal = std::io::stderr();
    write!(terminal, "{preview}\nGo on? [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::new(exit::OTHER, "nothing was changed")),
    }
}
