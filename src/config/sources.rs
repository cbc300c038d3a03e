//! What was given, and where.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::Problem;
use super::fields::{self, KAFKA};
use super::kafka::{REDACTED, is_secret};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(String),
    Environment(String),
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => f.write_str(path),
            Self::Environment(variable) => f.write_str(variable),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// A value as text, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub value: String,
    pub origin: Origin,
}

/// What was given of every setting: the source that counts has won already.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    given: BTreeMap<String, Given>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

const PREFIX: &str = "FLOWGATE_";

impl Sources {
    /// The defaults alone.
    #[must_use]
    pub fn new() -> Self {
        let mut sources = Self::default();
        for field in fields::FIELDS.iter().filter(|field| !field.default.is_empty()) {
            sources.set(field.name, field.default, Origin::Default);
        }
        sources
    }

    /// Adds a file. `required`: it was named, so it has to be there.
    #[must_use]
    pub fn with_file(mut self, path: &Path, required: bool) -> Self {
        let origin = Origin::File(path.display().to_string());
        match std::fs::read_to_string(path) {
            Ok(text) => self.with_text(&text, &origin),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => self,
            Err(error) => {
                let fix = "name a file that can be read with `--config`".to_owned();
                self.problem("", origin, format!("it cannot be read: {error}"), fix);
                self
            }
        }
    }

    /// Adds the text of a file.
    #[must_use]
    pub fn with_text(mut self, text: &str, origin: &Origin) -> Self {
        match text.parse::<toml::Table>() {
            Ok(table) => self.table("", table, origin),
            Err(error) => {
                let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
                let what = format!("line {line} is no TOML: {}", error.message().trim());
                self.problem("", origin.clone(), what, "mend that line".to_owned());
            }
        }
        self
    }

    /// Adds the environment.
    ///
    /// A variable that sets nothing is a warning, no problem: Kubernetes puts `FLOWGATE_SERVICE_HOST` and the like into
    /// every container beside a service of that name.
    #[must_use]
    pub fn with_environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        for (variable, value) in variables {
            let Some(rest) = variable.strip_prefix(PREFIX).filter(|rest| *rest != "CONFIG") else { continue };
            let lower = rest.to_ascii_lowercase().replace("__", ".");
            let name = match lower.strip_prefix(KAFKA) {
                Some(rest) => format!("{KAFKA}{}", rest.replace('_', ".")),
                None => lower,
            };
            if name.starts_with(KAFKA) || fields::find(&name).is_some() {
                self.set(&name, &value, Origin::Environment(variable));
            } else if !rest.starts_with("SERVICE_") && !rest.starts_with("PORT") {
                let hint = fields::closest(&name).map(|near| format!("; did you mean {}?", variable_of(near)));
                self.warnings.push(format!("{variable} sets nothing{}", hint.unwrap_or_default()));
            }
        }
        self
    }

    /// Adds a flag that was given.
    #[must_use]
    pub fn with_flag(mut self, name: &str, value: Option<String>) -> Self {
        if let Some(value) = value {
            self.known(name, value, &Origin::Flag);
        }
        self
    }

    /// Every setting that has a value, for showing: secrets are not in it.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &str, &Origin)> {
        self.given.iter().map(|(name, given)| {
            let secret = name.strip_prefix(KAFKA).is_some_and(is_secret);
            (name.as_str(), if secret { REDACTED } else { given.value.as_str() }, &given.origin)
        })
    }

    /// What sets nothing, though it looks as if it should.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) fn get(&self, name: &str) -> Option<&Given> {
        self.given.get(name)
    }

    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// librdkafka's settings, without `kafka.`.
    pub(super) fn kafka(&self) -> impl Iterator<Item = (&str, &Given)> {
        self.given.iter().filter_map(|(name, given)| Some((name.strip_prefix(KAFKA)?, given)))
    }

    fn table(&mut self, before: &str, table: toml::Table, origin: &Origin) {
        for (key, value) in table {
            let name = if before.is_empty() { key } else { format!("{before}.{key}") };
            let value = match value {
                toml::Value::Table(table) => {
                    self.table(&name, table, origin);
                    continue;
                }
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                toml::Value::Array(parts) if parts.iter().all(toml::Value::is_str) => {
                    parts.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(",")
                }
                toml::Value::Array(_) | toml::Value::Datetime(_) => {
                    let fix = "write a text, a number, true or false".to_owned();
                    self.problem(&name, origin.clone(), "it is no single value".to_owned(), fix);
                    continue;
                }
            };
            self.known(&name, value, origin);
        }
    }

    fn known(&mut self, name: &str, value: String, origin: &Origin) {
        if name.starts_with(KAFKA) || fields::find(name).is_some() {
            return self.set(name, &value, origin.clone());
        }
        let fix = match fields::closest(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`flowgate config show` lists all of them".to_owned(),
        };
        self.problem(name, origin.clone(), "there is no such setting".to_owned(), fix);
    }

    fn set(&mut self, name: &str, value: &str, origin: Origin) {
        self.given.insert(name.to_owned(), Given { value: value.to_owned(), origin });
    }

    fn problem(&mut self, field: &str, origin: Origin, what: String, fix: String) {
        self.problems.push(Problem { field: field.to_owned(), origin, what, fix });
    }
}

/// The variable that sets a field.
fn variable_of(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('.', "__").to_ascii_uppercase())
}
