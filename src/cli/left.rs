//! What a command says that has not looked through everything.

use std::io::Write;

use super::Failure;
use super::listing::Listing;
use super::reach::Reach;
use super::screen::Screen;
use crate::client::scan::Progress;

/// In the place of a table without rows. `is_since`: what is older than some time was left out.
pub fn nothing(topic: &str, progress: Progress, is_since: bool) -> String {
    match (progress.total, is_since, progress.is_whole) {
        (0, true, _) => format!("nothing has come to `{topic}` since then"),
        (0, false, _) => format!("nothing is in `{topic}`"),
        (_, _, true) => format!("nothing in `{topic}` is like that"),
        (.., false) => format!("nothing in `{topic}` is like that so far"),
    }
}

pub struct Left {
    pub progress: Progress,
    /// As many are shown as were asked for.
    pub is_full: bool,
    /// How many those are, and how to see others.
    pub more: String,
}

impl Left {
    /// Behind a table, or beside what scripts read.
    ///
    /// # Errors
    /// Of the output.
    pub fn tell(
        &self,
        (listing, reach): (Listing, Reach),
        screen: &Screen,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        match (self.progress.is_whole, self.is_full) {
            (true, _) => {}
            (false, false) => screen.note(&reach.fell_short(self.progress, "give a later --since, or ")),
            (false, true) if listing.is_for_people() && !listing.no_headers => writeln!(out, "{}", self.more)?,
            (false, true) => screen.note(&self.more),
        }
        Ok(())
    }
}
