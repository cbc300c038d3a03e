//! What was given, and where.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::fields::{self, KAFKA};
use super::files::is_path;
use super::kafka;
use super::origin::{Given, Origin};
use super::problem::Problem;
use crate::broker::kafka::{REDACTED, settings};

/// What was given of every setting: the source that counts has won already.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    given: BTreeMap<String, Given>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    file: Option<String>,
}

const PREFIX: &str = "FLOWGATE_";

/// Variables that say which file is read, and set nothing themselves.
const NAMES_A_FILE: [&str; 2] = ["CONFIG", "CONTEXT"];

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
            Ok(text) => {
                self.file = Some(path.display().to_string());
                self.with_text(&text, &origin).wary(path, &origin)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => self,
            Err(error) => {
                let fix = "name a file that can be read with `--config` or `--context`".to_owned();
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
                // The error's own display quotes the line, and there may be a secret in it.
                let before = |end: usize| text.bytes().take(end).filter(|byte| *byte == b'\n').count();
                let line = error.span().map_or(0, |span| before(span.start) + 1);
                let what = format!("line {line} is no TOML: {}", error.message().trim());
                self.problem("", origin.clone(), what, "mend that line".to_owned());
            }
        }
        self
    }

    /// Warns of a file whose secrets everybody on this machine can read.
    fn wary(mut self, path: &Path, origin: &Origin) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let open = std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0);
        let may_show = |name: &str, value: &str| match name.strip_prefix(KAFKA) {
            Some(name) => kafka::may_show(name, value),
            None => !is_secret(name),
        };
        let secret = self.given.iter().any(|(name, given)| given.origin == *origin && !may_show(name, &given.value));
        if open && secret {
            let path = path.display();
            let what = format!("{path} holds what may be a secret, and every user may read it: `chmod o-r {path}`");
            self.warnings.push(what);
        }
        self
    }

    /// Adds the environment.
    ///
    /// A variable that sets nothing is a warning, no problem: Kubernetes puts `FLOWGATE_SERVICE_HOST` and the like into
    /// every container beside a service of that name.
    #[must_use]
    pub fn with_environment(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        for (variable, value) in variables {
            let Some(variable) = variable.to_str() else { continue };
            let Some(rest) = variable.strip_prefix(PREFIX).filter(|rest| !NAMES_A_FILE.contains(rest)) else {
                continue;
            };
            let lower = rest.to_ascii_lowercase().replace("__", ".");
            let name = match lower.strip_prefix(KAFKA) {
                Some(rest) => format!("{KAFKA}{}", rest.replace('_', ".")),
                None => lower,
            };
            if name.starts_with(KAFKA) || fields::find(&name).is_some() {
                let origin = Origin::Environment(variable.to_owned());
                match value.into_string() {
                    Ok(value) => self.known(&name, value, &origin),
                    Err(_) => self.problem(&name, origin, "it is no UTF-8".to_owned(), "write it as UTF-8".to_owned()),
                }
            } else if !rest.starts_with("SERVICE_") && !rest.starts_with("PORT") {
                let hint = closest(&name).map(|near| format!("; did you mean {}?", variable_of(&near)));
                self.warnings.push(format!("{} sets nothing{}", name_alone(variable), hint.unwrap_or_default()));
            }
        }
        self
    }

    /// Adds `NAME=VALUE`, written by hand on the command line. Of what is not written so only a name is ever told.
    #[must_use]
    pub fn with_assignment(mut self, text: &str) -> Self {
        match text.split_once('=') {
            Some((name, value)) if is_name(name.trim()) => self.known(name.trim(), value.to_owned(), &Origin::Flag),
            _ => {
                let what = "it is not written as NAME=VALUE".to_owned();
                let fix = "write `-X NAME=VALUE`, and what may be a secret into the file or the environment".to_owned();
                let name = name_alone(text);
                let is_one = name.starts_with(KAFKA) || fields::find(&name).is_some();
                self.problem(if is_one { &name } else { "" }, Origin::Flag, what, fix);
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

    /// Every setting that has a value, for showing: nothing that may be a secret is in it.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &str, &Origin)> {
        self.given.iter().map(|(name, given)| {
            let value = match name.strip_prefix(KAFKA) {
                Some(name) => kafka::shown(name, &given.value),
                None if is_secret(name) || settings::looks_secret(&given.value) => REDACTED,
                None if names_a_file(name) && !is_path(&given.value) => REDACTED,
                None => given.value.as_str(),
            };
            (name.as_str(), value, &given.origin)
        })
    }

    /// The file that was read; `None`: there was none to be read.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
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
        // What is no name may have a value in it.
        if is_name(name) {
            match name.strip_prefix(KAFKA) {
                Some(of_kafka) if *origin == Origin::Flag && !kafka::may_show(of_kafka, &value) => {
                    return self.secret(of_kafka);
                }
                Some(_) => return self.set(name, &value, origin.clone()),
                None if is_secret(name) && *origin == Origin::Flag => return self.secret_of_ours(name),
                None if fields::find(name).is_some() => return self.set(name, &value, origin.clone()),
                None => {}
            }
        }
        let fix = match closest(&name_alone(name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`flowgate config show` lists all of them".to_owned(),
        };
        self.problem(name, origin.clone(), "there is no such setting".to_owned(), fix);
    }

    /// Refuses a flag that may be a secret: a command line stands in the list of processes.
    fn secret(&mut self, of_kafka: &str) {
        let (mut what, mut right) = (String::new(), of_kafka);
        if !settings::is_known(of_kafka) {
            let (unknown, fix) = kafka::unknown(of_kafka);
            what = format!("{unknown} ({fix}), and ");
            right = kafka::closest(of_kafka).unwrap_or(of_kafka);
        }
        what.push_str(ON_COMMAND_LINES);
        let name = format!("{KAFKA}{right}");
        let fix = format!("write `{right}` under `[kafka]` in flowgate.toml, or set {}", variable_of(&name));
        self.problem(&format!("{KAFKA}{of_kafka}"), Origin::Flag, what, fix);
    }

    fn secret_of_ours(&mut self, name: &str) {
        let fix = format!("write `{name}` in flowgate.toml, or set {}", variable_of(name));
        self.problem(name, Origin::Flag, ON_COMMAND_LINES.to_owned(), fix);
    }

    fn set(&mut self, name: &str, value: &str, origin: Origin) {
        self.given.insert(name.to_owned(), Given { value: value.to_owned(), origin });
    }

    fn problem(&mut self, field: &str, origin: Origin, what: String, fix: String) {
        self.problems.push(Problem { field: name_alone(field), origin, what, fix });
    }
}

/// The variable that sets a field.
fn variable_of(name: &str) -> String {
    let nested = match name.strip_prefix(KAFKA) {
        Some(of_kafka) => format!("kafka__{}", of_kafka.replace('.', "_")),
        None => name.replace('.', "__"),
    };
    format!("{PREFIX}{}", nested.to_ascii_uppercase())
}

/// The setting that was probably meant, librdkafka's among them.
fn closest(name: &str) -> Option<String> {
    let of_kafka = kafka::closest(name).map(|near| format!("{KAFKA}{near}"));
    let certain = of_kafka.as_ref().is_some_and(|near| near.ends_with(&name.replace('_', ".")));
    let of_ours = fields::closest(name).map(str::to_owned);
    if certain { of_kafka } else { of_ours.or(of_kafka) }
}

const ON_COMMAND_LINES: &str =
    "what may be a secret does not belong on a command line, which every user can read (`ps`)";

/// Of our own settings.
fn is_secret(name: &str) -> bool {
    fields::find(name).is_some_and(|field| field.is_secret)
}

/// Of our own settings.
fn names_a_file(name: &str) -> bool {
    fields::find(name).is_some_and(|field| field.is_file)
}

const LONGEST_NAME: usize = 100;

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

/// Whether it can be the name of a setting: no value is written into it by mistake, as in `sasl.password:VALUE`.
fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME && text.chars().all(is_of_a_name)
}

/// The beginning that can be a name.
fn name_alone(text: &str) -> String {
    let rest = text.find(|c| !is_of_a_name(c)).unwrap_or(text.len()).min(LONGEST_NAME);
    text[..rest].to_owned()
}
