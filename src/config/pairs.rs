//! Names with values, as headers and attributes are written.

use std::fmt;

/// In their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pairs(pub Vec<(String, String)>);

/// Without the values: they may be secrets.
impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Pairs {
    /// `NAME=VALUE`, with commas between.
    ///
    /// # Errors
    /// What is wrong, without any value.
    pub fn list(text: &str) -> Result<Self, String> {
        Self::of(text.split(','))
    }

    /// `NAME=VALUE` on each line.
    ///
    /// # Errors
    /// As [`Pairs::list`].
    pub fn lines(text: &str) -> Result<Self, String> {
        Self::of(text.lines())
    }

    fn of<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let parts = parts.map(str::trim).filter(|part| !part.is_empty());
        let pairs = parts.enumerate().map(|(place, part)| {
            let wrong = |what: &str| format!("{what} in pair {}", place + 1);
            let (name, value) = part.split_once('=').ok_or_else(|| wrong("there is no `=`"))?;
            let (name, value) = (name.trim(), value.trim());
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(wrong("the name is none"));
            }
            if !value.chars().all(|c| c.is_ascii_graphic() || c == ' ') {
                return Err(wrong("the value has signs beside those of ASCII"));
            }
            Ok((name.to_owned(), value.to_owned()))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_and_their_values_never_told() {
        let pairs = Pairs::list("authorization=Basic aHVudGVyMg==, x-scope-orgid=crm,").unwrap();
        assert_eq!(pairs.0[0], ("authorization".to_owned(), "Basic aHVudGVyMg==".to_owned()));
        assert_eq!(format!("{pairs:?}"), r#"["authorization", "x-scope-orgid"]"#);
        assert_eq!(Pairs::lines("a=1,2\n\nb=3\n").unwrap().0[0].1, "1,2");
        for (text, what) in
            [("hunter2", "no `=` in pair 1"), ("a=b,a b=hunter2", "in pair 2"), ("a=hunter2\u{e4}", "ASCII")]
        {
            let told = Pairs::list(text).unwrap_err();
            assert!(told.contains(what) && !told.contains("hunter2"), "{told}");
        }
    }
}
