//! Letters as people look at them: what was set aside, and whether that was redriven.

use super::letters::{Kind, Letter, Wanted};
use super::redriven::{Gap, Lookback, Redrives};
use super::scan::{PAGE_BYTES, Page, Scan, Window};
use crate::broker::{Broker, Result};
use crate::schema::topics::Topics;

/// Which letters.
#[derive(Clone, Debug)]
pub struct Asked {
    pub kind: Kind,
    pub wanted: Wanted,
    pub redriven: Redriven,
}

/// What is asked of the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redriven {
    /// Nothing: it is not read.
    Unasked,
    /// Whether each letter was redriven.
    Told,
    /// The same, and only those are listed of which the audit says that they were; or else only those of which it does not say so.
    Only(bool),
}

/// A letter, and what the audit says of it.
#[derive(Clone, Debug)]
pub struct Listed {
    pub letter: Letter,
    /// `None`: nobody knows.
    pub redrives: Option<Redrives>,
}

#[derive(Clone, Debug)]
pub struct List {
    pub page: Page<Listed>,
    /// Why of some letters nobody knows whether they were redriven.
    pub gap: Option<Gap>,
}

impl Listed {
    /// Whether the audit says that it was redriven.
    fn is_redriven(&self) -> bool {
        self.redrives.as_ref().is_some_and(|redrives| redrives.times > 0)
    }
}

/// Looks through the letters. As much of the audit is looked through as of the letters at most, and for as long. Letters are listed
/// also if the audit cannot be read.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::TimedOut`] if nothing could be read in time.
pub fn look<B: Broker>(broker: &B, topics: &Topics, asked: &Asked, window: &Window) -> Result<List> {
    let Asked { kind, wanted, redriven } = asked;
    let mut scan = Scan::through(broker, kind.topic(topics), None, window)?;
    let mut lookback = Lookback::new((broker, &window.meter), topics, *kind, window.bound);
    let (mut found, mut bytes) = (Vec::new(), 0);
    // The audit is asked about a whole page, so that reading it takes no time from the letters.
    while found.len() < window.limit && bytes < PAGE_BYTES {
        let letters = scan.fill(window.limit - found.len(), Letter::size, |record| wanted.pick(record))?;
        if letters.is_empty() {
            break;
        }
        for letter in letters {
            let redrives = if *redriven == Redriven::Unasked { None } else { lookback.of(&letter) };
            let listed = Listed { letter, redrives };
            if !matches!(redriven, Redriven::Only(only) if *only != listed.is_redriven()) {
                bytes += listed.letter.size();
                found.push(listed);
            }
        }
    }
    Ok(List { page: scan.page(found), gap: lookback.gap() })
}
