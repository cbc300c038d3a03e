//! What librdkafka says, without the values that are not to be shown: it quotes them where it does not like them, whole,
//! from some place on, or cut at the end of its buffer.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use super::native::Unmasked;

/// What stands for a value that is not shown.
pub const REDACTED: &str = "********";

/// A piece of a secret this long betrays it.
const PIECE: usize = 6;

/// Everything that must never be told by this process: an error may outlive the client that it is about.
static SECRETS: RwLock<Option<Secrets>> = RwLock::new(None);

/// Keeps these values out of everything that librdkafka says from now on.
pub(super) fn hide<'a>(values: impl Iterator<Item = &'a str>) {
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    values.for_each(|value| secrets.get_or_insert_default().add(value));
}

/// What librdkafka says, fit to be shown.
pub(super) fn words(said: &Unmasked) -> String {
    masked(said.reveal())
}

pub(super) fn masked(said: &str) -> String {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    match &*secrets {
        None => said.to_owned(),
        Some(secrets) => secrets.mask(said),
    }
}

#[derive(Default)]
struct Secrets {
    /// Every piece of the longer ones.
    pieces: HashSet<Vec<char>>,
    /// The shorter ones, and the short words of the longer ones.
    short: HashSet<Vec<char>>,
}

impl Secrets {
    fn add(&mut self, value: &str) {
        let all: Vec<char> = value.chars().collect();
        self.pieces.extend(all.windows(PIECE).map(<[char]>::to_vec));
        let words = value.split(|c: char| c.is_whitespace() || "=\"',;:".contains(c));
        for word in words.chain([value.trim()]) {
            let word: Vec<char> = word.chars().collect();
            if (1..PIECE).contains(&word.len()) {
                self.short.insert(word);
            }
        }
    }

    fn mask(&self, said: &str) -> String {
        let said: Vec<char> = said.chars().collect();
        let mut hidden = vec![false; said.len()];
        for (at, piece) in said.windows(PIECE).enumerate() {
            if self.pieces.contains(piece) {
                hidden[at..at + PIECE].fill(true);
            }
        }
        for word in &self.short {
            let apart = |at: Option<usize>| at.and_then(|at| said.get(at)).is_none_or(|c| !c.is_alphanumeric());
            for (at, _) in said.windows(word.len()).enumerate().filter(|(_, found)| found == word) {
                // Inside of a longer word it is a coincidence.
                if apart(at.checked_sub(1)) && apart(Some(at + word.len())) {
                    hidden[at..at + word.len()].fill(true);
                }
            }
        }
        let mut shown = String::with_capacity(said.len());
        for (at, c) in said.iter().enumerate() {
            match hidden[at] {
                false => shown.push(*c),
                true if at == 0 || !hidden[at - 1] => shown.push_str(REDACTED),
                true => {}
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(secrets: &[&str], text: &str) -> String {
        let mut all = Secrets::default();
        secrets.iter().for_each(|secret| all.add(secret));
        all.mask(text)
    }

    #[test]
    fn secrets_are_masked_whole_from_some_place_on_and_cut_off() {
        let config = "principal=ops secret=hunter2000";
        assert_eq!(said(&["hunter2"], "Invalid value \"hunter2\" for x"), "Invalid value \"********\" for x");
        assert_eq!(said(&[config], "beginning at: secret=hunter2000"), "beginning at:********");
        assert_eq!(said(&[config], "cut: hunter20"), "cut: ********");
        assert_eq!(said(&["a=b ü€hunter2"], "ü€hunter2!"), "********!");
    }

    #[test]
    fn short_ones_are_masked_where_they_stand_alone() {
        assert_eq!(said(&["no"], "'no' is not known"), "'********' is not known");
        assert_eq!(said(&["user=ops pass=ab1"], "login (ab1) of ops"), "login (********) of ********");
        assert_eq!(said(&["", " "], "nothing is hidden"), "nothing is hidden");
    }
}
