//! The columns of what holds events: with their values or without.

use super::listing::{ListFormat, Listing};
use super::screen::Screen;
use super::values;

/// What the columns are called: of every table, of wide ones too, and of CSV.
pub struct Names {
    pub narrow: &'static [&'static str],
    pub wide: &'static [&'static str],
    pub csv: &'static [&'static str],
    /// Of CSV, behind the values: columns that came in a later version.
    pub later_csv: &'static [&'static str],
}

/// Which columns there are.
#[derive(Clone, Copy)]
pub struct Columns {
    pub names: &'static Names,
    pub listing: Listing,
    pub values: bool,
}

impl Columns {
    pub fn header(self) -> Vec<&'static str> {
        let wide = if self.is_wide() { self.names.wide } else { &[] };
        let value = if self.values { &["VALUE"][..] } else { &[] };
        [self.names.narrow, wide, value].concat()
    }

    pub fn csv(self) -> Vec<&'static str> {
        let content = if self.values { &values::CSV[..] } else { &[] };
        [self.names.csv, content, self.names.later_csv].concat()
    }

    pub fn is_wide(self) -> bool {
        self.listing.format == ListFormat::Wide
    }

    /// Where a table is cut: values may be of any length.
    pub fn width(self, screen: &Screen) -> Option<u16> {
        (self.values && screen.terminal).then(|| screen.size().0)
    }
}
