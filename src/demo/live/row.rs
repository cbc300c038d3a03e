//! A row of the screen: pieces of text with their colours, cut where the screen ends.

use std::io::{self, Write};

use crossterm::queue;
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};

use crate::legible::legible;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Dim,
    Bold,
    /// The first and the last row.
    Bar,
    Live,
    Paused,
    Resuming,
}

/// Everything in it is one column wide, and nothing of it is obeyed by the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row(Vec<(Look, String)>);

impl Row {
    pub fn of(look: Look, text: impl Into<String>) -> Self {
        Self::default().and(look, text)
    }

    #[must_use]
    pub fn and(mut self, look: Look, text: impl Into<String>) -> Self {
        self.0.push((look, legible(&text.into()).into_owned()));
        self
    }

    pub fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// Adds this at the right edge, if there is room for it.
    #[must_use]
    pub fn and_right(self, look: Look, text: &str, width: usize) -> Self {
        let taken = self.width() + text.chars().count();
        if taken + 2 > width { self } else { self.and(look, " ".repeat(width - taken)).and(look, text) }
    }

    /// Without its looks.
    #[cfg(test)]
    pub fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    pub fn write(&self, out: &mut impl Write, width: u16) -> io::Result<()> {
        let mut left = usize::from(width);
        for (look, text) in &self.0 {
            let shown: String = text.chars().take(left).collect();
            left -= shown.chars().count();
            look.begin(out)?;
            queue!(out, Print(shown), SetAttribute(Attribute::Reset), ResetColor)?;
        }
        Ok(())
    }
}

impl Look {
    fn begin(self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Plain => Ok(()),
            Self::Dim => queue!(out, SetAttribute(Attribute::Dim)),
            Self::Bold => queue!(out, SetAttribute(Attribute::Bold)),
            Self::Bar => queue!(out, SetAttribute(Attribute::Reverse)),
            Self::Live => queue!(out, SetForegroundColor(Color::Green)),
            Self::Paused => queue!(out, SetForegroundColor(Color::Yellow)),
            Self::Resuming => queue!(out, SetForegroundColor(Color::Cyan)),
        }
    }
}
