//! Tables without lines, as `kubectl` shows them.
//!
//! A table may have a row for each of a hundred thousand flows: its rows are made twice, once to see how wide the columns
//! are and once to be written, and never kept.

use std::io::Write;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::Failure;
use crate::legible::legible;

/// Between two columns.
const GAP: usize = 2;

/// Less of a text says nothing.
const LEAST: usize = 20;

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

    /// How wide the last cell of a line may be, so that the line leaves one of so many columns free. Where the others take
    /// them all it is shown all the same, as much of it as is of any use.
    pub fn room_for_last(&self, columns: u16) -> usize {
        let others = self.0.split_last().map_or(&[][..], |(_, others)| others);
        let taken: usize = others.iter().map(|width| width + GAP).sum();
        usize::from(columns).saturating_sub(taken + 1).max(LEAST)
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

/// A text as signs, cut where it would be wider than so many columns.
pub fn shortened(text: &str, width: usize) -> String {
    // The rest may be long, and hardly anything of it would be shown.
    let (head, rest) = text.char_indices().nth(width + 1).map_or((text, ""), |(end, _)| text.split_at(end));
    let head = legible(head);
    let is_whole = rest.is_empty() && head.width() <= width;
    if is_whole { head.into_owned() } else { format!("{}…", cut(&head, width)) }
}

/// As much of a line as fits, with one column left: a full line would be followed by an empty one.
pub fn cut(line: &str, columns: usize) -> String {
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let width = c.width().unwrap_or_default();
        let fits = width <= left;
        left = left.saturating_sub(width);
        fits
    };
    line.chars().take_while(fits).collect()
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
    fn a_line_is_cut_before_it_is_full() {
        assert_eq!(cut("welcome", 8), "welcome");
        assert_eq!(cut("welcome", 7), "welcom");
        assert_eq!(cut("日本", 4), "日");
        assert_eq!(cut("日本", 5), "日本");
        assert_eq!(cut("x", 0), "");
    }

    #[test]
    fn a_text_is_cut_where_it_is_too_wide() {
        for (text, shown) in [
            ("welcome", "welcome"),
            ("welcome!", "welcome!"),
            ("welcomes!", "welcome…"),
            (&"e\u{301}".repeat(10), "e\u{301}e\u{301}e\u{301}e\u{301}e…"),
            ("日本語日", "日本語日"),
            ("日本語日本", "日本語…"),
            ("a\nbcdef", "a\\nbcdef"),
            ("a\nbcdefg", "a\\nbcde…"),
            ("e\u{301}e\u{301}e\u{301}e\u{301}", "e\u{301}e\u{301}e\u{301}e\u{301}"),
        ] {
            assert_eq!(shortened(text, 8), shown);
        }
    }

    #[test]
    fn the_last_cell_has_what_the_others_leave() {
        let layout = Layout::of(&["ENTRY", "VALUE"], [["1".to_owned(), "x".repeat(99)]].iter());
        assert_eq!(layout.room_for_last(80), 72);
        assert_eq!(layout.room_for_last(10), LEAST);
    }

    #[test]
    fn a_cell_that_came_later_and_is_wider_pushes_the_others_on() {
        let layout = Layout::of(&["FLOW", "STATE"], std::iter::empty::<[String; 2]>());
        assert_eq!(layout.line(&["welcome", "live"]), "welcome  live");
        assert_eq!(layout.line(&["a", "live"]), "a     live");
    }
}
