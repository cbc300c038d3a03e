//! What is said of an input that is refused.

use super::End;

/// A sentence is for people and for a header: one line, bounded, and it names what is at fault.
pub fn check(sentence: &str, names: &str) -> End {
    assert!(sentence.contains(names), "does not name {names}: {sentence}");
    // A refusal may quote 40 characters of the input, of 4 bytes each; the audit and headers hold it.
    assert!(sentence.len() < 500, "{} bytes: {sentence}", sentence.len());
    End::Refused
}
