//! Tables without lines, as `kubectl` shows them.
//!
//! A table may have a row for each of a hundred thousand flows: its rows are made twice, once to see how wide the columns
//! are and once to be written, and never kept.

use std::io::Write;

use unicode_width::UnicodeWidthStr as _;

use super::Failure;
use crate::legible::legible;

/// Between two columns.
const GAP: usize = 2;

/// How wide each column is.
#[derive(Clone, Debug)]
pub struct Layout(Vec<usize>);

impl Layout {
    /// As wide as the widest cell.
    pub fn of<R: AsRef<[String]>>(header: &[&str], rows: impl Iterator<Item = R>) -> Self {
        let mut widths: Vec<usize> = header.iter().map(|title| title.width()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row.as_ref()) {
                *width = (*width).max(legible(cell).width());
            }
        }
        Self(widths)
    }

    /// One line, without its end. A cell that is wider than its column pushes the others on.
    pub fn line(&self, cells: &[impl AsRef<str>]) -> String {
        let mut line = String::new();
        let mut owed = 0;
        for (width, cell) in self.0.iter().zip(cells) {
            let cell = legible(cell.as_ref());
            line.extend(std::iter::repeat_n(' ', owed));
            line.push_str(&cell);
            owed = width.saturating_sub(cell.width()) + GAP;
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Writes the rows as they come. Without `titles` there is no line of them.
///
/// # Errors
/// Of the output.
pub fn stream<R: AsRef<[String]>>(
    out: &mut dyn Write,
    header: &[&str],
    titles: bool,
    rows: impl Iterator<Item = R> + Clone,
) -> Result<(), Failure> {
    let measured: Vec<&str> = header.iter().map(|title| if titles { *title } else { "" }).collect();
    let layout = Layout::of(&measured, rows.clone());
    if titles {
        writeln!(out, "{}", layout.line(header))?;
    }
    for row in rows {
        writeln!(out, "{}", layout.line(row.as_ref()))?;
    }
    Ok(())
}

/// A small table as one text.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let layout = Layout::of(header, rows.iter());
    let lines = std::iter::once(layout.line(header)).chain(rows.iter().map(|row| layout.line(row)));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_seen_of_their_cells() {
        let rows = [
            ["welcome".to_owned(), "live".to_owned(), String::new()],
            ["日本\n".to_owned(), "paused".to_owned(), "x".to_owned()],
        ];
        let shown = table(&["FLOW", "STATE", "BY"], rows.iter().map(|row| row.to_vec()));
        assert_eq!(shown, "FLOW     STATE   BY\nwelcome  live\n日本\\n   paused  x");
        let mut out = Vec::new();
        stream(&mut out, &["FLOW", "STATE", "BY"], false, rows.iter()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "welcome  live\n日本\\n   paused  x\n");
    }

    #[test]
    fn a_cell_that_came_later_and_is_wider_pushes_the_others_on() {
        let layout = Layout::of(&["FLOW", "STATE"], std::iter::empty::<[String; 2]>());
        assert_eq!(layout.line(&["welcome", "live"]), "welcome  live");
        assert_eq!(layout.line(&["a", "live"]), "a     live");
    }
}
