//! Text of strangers, made so that a terminal shows it and does not obey it.
//!
//! Flow ids, reasons, names and the details of errors are whatever somebody wrote. A newline in one forges a line of a
//! log or a row of a table, an escape sequence clears the screen, a character of no width or another direction makes one
//! id look like another. Here they become signs.

use std::borrow::Cow;

/// For terminals and logs: `\n`, `\u{1b}`. What is legible already stays as it is, so doing it twice does no harm.
#[must_use]
pub fn legible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_sign) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match is_sign(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// For documents that are printed: still JSON, and the same value to whoever parses it.
#[must_use]
pub fn legible_json(document: &str) -> Cow<'_, str> {
    // Between values there may be line breaks; within texts they are escaped already.
    let is_sign = |c: char| is_sign(c) && c != '\n';
    if !document.contains(is_sign) {
        return Cow::Borrowed(document);
    }
    let mut shown = String::with_capacity(document.len() + 8);
    for c in document.chars() {
        match is_sign(c) {
            true => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}"))),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// What controls a terminal, has no width, or changes the direction of what follows.
fn is_sign(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_becomes_signs() {
        for (text, shown) in [
            ("a\nb\r\t", "a\\nb\\r\\t"),
            ("\u{1b}[2J\u{7f}\u{9b}2J\0", "\\u{1b}[2J\\u{7f}\\u{9b}2J\\u{0}"),
            (
                "\u{202e}\u{2066}\u{200b}\u{feff}\u{2028}\u{e0041}",
                "\\u{202e}\\u{2066}\\u{200b}\\u{feff}\\u{2028}\\u{e0041}",
            ),
            ("Größe → 日本 🎉 \\n", "Größe → 日本 🎉 \\n"),
        ] {
            assert_eq!(legible(text), shown);
            assert_eq!(legible(shown), shown);
        }
    }

    #[test]
    fn documents_stay_the_same_values() {
        let value = serde_json::json!({"id": "a\n\u{1b}[2J\u{9b}\u{202e}\u{e0041}é", "n": [1]});
        let text = format!("{value:#}");
        let shown = legible_json(&text);
        assert!(!shown.contains(|c| is_sign(c) && c != '\n'), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(value));
        assert!(shown.contains("\\udb40\\udc41"), "{shown}");
    }
}
