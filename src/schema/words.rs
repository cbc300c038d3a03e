//! The words that documents use for the choices of a pause and of a drain.

use crate::flow::{Cause, Keep, LineReason, NewRecords, OnExpiry, Release, Verdict};

/// A choice among a few words.
pub(super) trait Word: Copy + 'static {
    const ALL: &'static [Self];

    fn word(self) -> &'static str;

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }

    /// All of them, for "send ...".
    fn choices() -> String {
        Self::ALL.iter().map(|value| value.word()).collect::<Vec<_>>().join(" or ")
    }
}

macro_rules! words {
    ($($choice:ty { $($word:literal => [$($value:tt)+],)+ })+) => {$(
        impl Word for $choice {
            const ALL: &'static [Self] = &[$($($value)+),+];

            fn word(self) -> &'static str {
                match self {
                    $($($value)+ => $word,)+
                }
            }
        }
    )+};
}

words! {
    NewRecords { "queue" => [Self::Queue], "discard" => [Self::Discard], }
    Keep { "latest" => [Self::Latest], "all" => [Self::All], }
    OnExpiry { "resume" => [Self::Resume], "discard" => [Self::Discard], }
    Release { "all" => [Self::All], "none" => [Self::None], }
    Cause { "resume" => [Self::Resume], "timer" => [Self::Timer], }
    LineReason { "release_none" => [Self::ReleaseNone], "expired" => [Self::Expired], }
    Verdict { "applied" => [Self::Applied], "unchanged" => [Self::Unchanged], "rejected" => [Self::Rejected], }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_rules() {
        for verdict in Verdict::ALL {
            assert_eq!(Word::word(verdict), verdict.word());
        }
    }
}
