//! Patterns of flow ids: `*` stands for any text, `?` for any one character, `\` takes what follows as it is.

use regex::Regex;

/// An id may have any character, a newline too, so these are all the signs there are.
const SIGNS: [char; 2] = ['*', '?'];

#[derive(Clone, Debug)]
pub struct Glob(Regex);

impl Glob {
    /// # Errors
    /// What is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let mut regex = String::from("(?s)^");
        let mut signs = pattern.chars();
        while let Some(sign) = signs.next() {
            match sign {
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                '\\' => match signs.next() {
                    Some(next) => regex.push_str(&regex::escape(next.encode_utf8(&mut [0; 4]))),
                    None => return Err("it ends with a `\\`, which takes the next sign as it is: write `\\\\`".into()),
                },
                other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
            }
        }
        regex.push('$');
        Regex::new(&regex).map(Self).map_err(|_| "it is too long; an id has 100 bytes at most".to_owned())
    }

    #[must_use]
    pub fn fits(&self, id: &str) -> bool {
        self.0.is_match(id)
    }
}

/// Whether somebody may have meant a pattern.
#[must_use]
pub fn looks_like_one(id: &str) -> bool {
    id.contains(SIGNS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_ids() {
        for (pattern, fits, others) in [
            ("wel*", &["wel", "welcome", "wel\ncome"][..], &["awel", "we"][..]),
            ("w?l", &["wel", "wäl", "w\nl"], &["wl", "weel"]),
            ("*-2", &["-2", "promo-2"], &["promo-20"]),
            ("a.b+c", &["a.b+c"], &["axb+c", "a.bbc"]),
            ("\\*\\\\", &["*\\"], &["x\\", "*"]),
            ("", &[""], &["a"]),
        ] {
            let glob = Glob::new(pattern).unwrap();
            assert!(fits.iter().all(|id| glob.fits(id)), "{pattern}");
            assert!(!others.iter().any(|id| glob.fits(id)), "{pattern}");
        }
        assert!(Glob::new("a\\").unwrap_err().contains("ends with"));
        assert!(Glob::new(&"?".repeat(1_000_000)).is_err());
    }
}
