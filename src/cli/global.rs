//! The flags that every command takes.

use std::fmt;
use std::path::PathBuf;

use clap::Args;

use crate::config::Sources;

#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub struct Global {
    /// The file with settings [default: flowgate.toml, if there is one]
    #[arg(long, global = true, env = "FLOWGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
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
    pub fn sources(&self) -> Sources {
        let file = self.config.clone().unwrap_or_else(|| PathBuf::from("flowgate.toml"));
        let mut sources = Sources::new().with_file(&file, self.config.is_some()).with_environment(std::env::vars_os());
        for Assignment(text) in &self.set {
            sources = sources.with_assignment(text);
        }
        sources.with_flag("brokers", self.brokers.clone()).with_flag("prefix", self.prefix.clone())
    }
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
