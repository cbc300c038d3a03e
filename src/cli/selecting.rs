//! `--select 'state=paused,match=promo*,held>0'`, as people type and read it.

use std::borrow::Cow;

pub const SHORT: &str = "Only flows for which all of these hold, such as 'state=paused,match=promo*,held>0'";

pub const HELP: &str = "\
Only flows for which all of these hold, such as 'state=paused,match=promo*,held>0'

state=live|paused|resuming; match=PATTERN, of the id (`*` any text, `?` any one character); by=PATTERN, who paused it; \
held, a number of events; paused_for and resumes_in, durations such as 3d. They compare with = != < <= > >=, states and \
patterns with = and !=. A `,` within a pattern is written `\\,`. Can be repeated: then all have to hold.";

/// `--select ...` for flows whose ids fit a pattern, as it is typed into a shell.
pub fn matching(pattern: &str) -> String {
    format!("--select {}", quoted(&format!("match={}", pattern.replace(',', "\\,"))))
}

/// A text as one word of a shell.
fn quoted(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.into(),
        false => format!("'{}'", text.replace('\'', "'\\''")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_shell_is_quoted_where_it_must_be() {
        assert_eq!(quoted("match=promo"), "match=promo");
        assert_eq!(quoted("match=it's*"), "'match=it'\\''s*'");
    }
}
