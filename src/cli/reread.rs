//! Files of settings that are read again while the gate runs: certificates, tokens, passwords.
//!
//! They are looked at every two seconds, by what they hold: whoever mounts secrets replaces a link to their folder, which changes no time
//! and no name. What has changed is taken when two looks in a row have seen the same, for a file that is being written is half a file.
//! What is wrong is told once, and what was there before stays in use.

use std::time::Duration;

use crate::config::{Fingerprint, NamedFile};

/// How often the files are looked at.
pub const EVERY: Duration = Duration::from_secs(2);

/// Some files that only make sense together, and what is to be done with what they hold.
pub struct Watched {
    files: Vec<NamedFile>,
    in_use: Vec<Seen>,
    /// At the last look.
    last: Vec<Seen>,
    is_refused: bool,
    take: Box<Take>,
}

/// Gets the contents of the files, in their order.
type Take = dyn FnMut(&[Vec<u8>]) -> Result<(), String> + Send;

/// What was in a file, or why it could not be read.
type Seen = Result<Fingerprint, String>;

impl Watched {
    /// `files`: each with what it held when it was read at the start.
    pub fn new(
        files: Vec<(NamedFile, Fingerprint)>,
        take: impl FnMut(&[Vec<u8>]) -> Result<(), String> + Send + 'static,
    ) -> Self {
        let (files, in_use): (Vec<_>, Vec<_>) = files.into_iter().map(|(file, held)| (file, Ok(held))).unzip();
        Self { files, last: in_use.clone(), in_use, is_refused: false, take: Box::new(take) }
    }

    /// What they hold now was refused.
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }

    pub fn look(&mut self) {
        let read: Vec<Result<Vec<u8>, String>> = self.files.iter().map(NamedFile::read).collect();
        let seen: Vec<Seen> =
            read.iter().map(|read| read.as_deref().map(Fingerprint::of).map_err(Clone::clone)).collect();
        let is_steady = seen == self.last;
        if !is_steady {
            (self.last, self.is_refused) = (seen, false);
            return;
        }
        if seen == self.in_use || self.is_refused {
            return;
        }
        let read = read.into_iter().collect::<Result<Vec<_>, _>>();
        match read.and_then(|contents| (self.take)(&contents)) {
            Ok(()) => {
                tracing::info!(settings = self.names(), "files of settings have changed, and were read again");
                self.in_use = seen;
            }
            Err(why) => {
                self.is_refused = true;
                tracing::error!(
                    settings = self.names(),
                    "files of settings have changed and are refused, what they held before stays in use: {why}"
                );
            }
        }
    }

    fn names(&self) -> String {
        self.files.iter().map(|file| file.field.as_str()).collect::<Vec<_>>().join(", ")
    }
}
