//! What is wrong with the settings.

use std::fmt;

use super::origin::Origin;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub field: String,
    pub origin: Origin,
    /// What is wrong; goes on after the name of the field. Never holds a secret.
    pub what: String,
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, origin, what, fix } = self;
        match field.as_str() {
            "" => write!(f, "{origin}: {what}; {fix}"),
            field => write!(f, "`{field}` ({origin}): {what}; {fix}"),
        }
    }
}

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub Vec<Problem>);

impl Invalid {
    /// How many they are, in words.
    #[must_use]
    pub fn count(&self) -> String {
        match self.0.len() {
            1 => "one setting is wrong".to_owned(),
            count => format!("{count} settings are wrong"),
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.count())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Invalid {}
