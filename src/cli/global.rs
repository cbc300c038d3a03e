//! The flags that every command takes.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use clap::Args;

use super::contexts;
use super::failure::{Failure, exit};
use crate::config::{ContextName, Sources, variable};

#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub struct Global {
    /// The file with settings [env: FLOWGATE_CONFIG] [default: flowgate.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "context")]
    pub config: Option<PathBuf>,
    /// A file with settings, by its name: NAME.toml in ~/.config/flowgate [env: FLOWGATE_CONTEXT]
    ///
    /// One for each cluster, such as `--context prod`. The folder is $XDG_CONFIG_HOME/flowgate where that variable is set. It
    /// is read in the place of flowgate.toml, and `--config` is not given with it. A flag of these two goes before
    /// FLOWGATE_CONFIG and FLOWGATE_CONTEXT.
    #[arg(long, global = true, value_name = "NAME", add = contexts::names())]
    pub context: Option<ContextName>,
    /// Some brokers of the cluster
    #[arg(long, global = true, value_name = "HOST:PORT,...")]
    pub brokers: Option<String>,
    /// What the names of all topics start with
    #[arg(long, global = true)]
    pub prefix: Option<String>,
    /// Any setting that is no secret, such as `kafka.sasl.username=ops`; can be repeated
    ///
    /// What may be a secret is refused here, for every user of a machine can read its command lines: it belongs into the
    /// file, or into the environment (FLOWGATE_KAFKA__SASL_PASSWORD).
    #[arg(long = "set", short = 'X', global = true, value_name = "NAME=VALUE")]
    pub set: Vec<Assignment>,
}

impl Global {
    /// What was given here, in the environment of this process, and in the file that they name.
    ///
    /// # Errors
    /// As [`Self::sources`].
    pub fn sources_of_process(&self) -> Result<Sources, Failure> {
        self.sources(&std::env::vars_os().collect::<Vec<_>>())
    }

    /// # Errors
    /// [`exit::CONFIGURATION`]: nobody can say which file is meant, or the context is not there.
    pub fn sources(&self, environment: &[(OsString, OsString)]) -> Result<Sources, Failure> {
        let sources = match self.file(environment)? {
            Some(named) => Sources::new().with_file(&named, true),
            None => Sources::new().with_file(USUAL.as_ref(), false),
        };
        let mut sources = sources.with_environment(environment.iter().cloned());
        for Assignment(text) in &self.set {
            sources = sources.with_assignment(text);
        }
        Ok(sources.with_flag("brokers", self.brokers.clone()).with_flag("prefix", self.prefix.clone()))
    }

    /// The file that was named: by a flag, or else by the environment.
    fn file(&self, environment: &[(OsString, OsString)]) -> Result<Option<PathBuf>, Failure> {
        match (&self.config, &self.context) {
            // Clap sees it only where both are given to the same command.
            (Some(_), Some(_)) => return Err(both("`--config`", "`--context`").hint("leave one of them away")),
            (Some(file), None) => return Ok(Some(file.clone())),
            (None, Some(name)) => return contexts::file(name, environment).map(Some),
            (None, None) => {}
        }
        match (variable(environment, CONFIG), variable(environment, CONTEXT)) {
            (Some(_), Some(_)) => {
                Err(both(CONFIG, CONTEXT).hint("unset one of them, or give `--config` or `--context`"))
            }
            (Some(file), None) if file.is_empty() => {
                Err(wrong(CONFIG, "the path is empty; give one, such as ./flowgate.toml"))
            }
            (Some(file), None) => Ok(Some(file.into())),
            (None, Some(name)) => {
                let name = name.to_str().ok_or_else(|| wrong(CONTEXT, "the name is no UTF-8; give one that is"))?;
                let name = name.parse().map_err(|why: String| wrong(CONTEXT, &why))?;
                contexts::file(&name, environment).map(Some)
            }
            (None, None) => Ok(None),
        }
    }
}

/// Read where no other file is named, if it is there.
pub const USUAL: &str = "flowgate.toml";

const CONFIG: &str = "FLOWGATE_CONFIG";
const CONTEXT: &str = "FLOWGATE_CONTEXT";

fn both(one: &str, other: &str) -> Failure {
    Failure::new(exit::CONFIGURATION, format!("{one} and {other} both name the file with the settings"))
}

/// Of a variable that names no file.
fn wrong(name: &str, why: &str) -> Failure {
    let (what, fix) = why.split_once("; ").unwrap_or((why, "give another value"));
    Failure::new(exit::CONFIGURATION, format!("{name}: {what}")).hint(format!("{fix}; or unset {name}"))
}

/// `NAME=VALUE` as it was written. Not read by clap, whose errors quote what they do not like.
#[derive(Clone)]
pub struct Assignment(String);

impl From<String> for Assignment {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Without the text, which may hold a secret.
impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Assignment")
    }
}
