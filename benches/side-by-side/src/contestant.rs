//! Who takes part, and how each of them is started.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use flowgate::schema::topics::Topics;
use tempfile::TempDir;

use crate::case::{Case, Kind};
use crate::child::Contender;
use crate::gate::{self, Gate};
use crate::{Result, streams};

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Word {
    Gate,
    Loop,
    Limit,
    Streams,
}

/// `NAME=PROGRAM`
#[derive(Clone)]
pub struct OtherGate {
    name: String,
    program: PathBuf,
}

impl FromStr for OtherGate {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, program) = text.split_once('=').ok_or("give it a name: NAME=PROGRAM")?;
        let program = PathBuf::from(program).canonicalize().map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), program })
    }
}

#[derive(Clone, PartialEq, Eq)]
pub enum Contestant {
    Gate { name: String, program: PathBuf },
    Loop,
    Limit,
    Streams { built: PathBuf },
}

impl Contestant {
    pub fn all(words: &[Word], gates: Vec<OtherGate>) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for word in words {
            all.push(match word {
                Word::Gate => Self::Gate { name: "gate".to_owned(), program: build()? },
                Word::Loop => Self::Loop,
                Word::Limit => Self::Limit,
                Word::Streams => Self::Streams { built: streams::build()? },
            });
        }
        all.extend(gates.into_iter().map(|OtherGate { name, program }| Self::Gate { name, program }));
        Ok(all)
    }

    /// The program, if it is a gate.
    pub fn program(&self) -> Option<&Path> {
        match self {
            Self::Gate { program, .. } => Some(program),
            Self::Loop | Self::Limit | Self::Streams { .. } => None,
        }
    }

    /// Whether it knows commands, and holds events by itself.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Gate { .. } | Self::Streams { .. })
    }

    /// Events of each flow that come before the clock starts. One is enough to have topics made and leaders looked up, but
    /// the machine code of a Java program is compiled while it runs.
    pub fn introductions(&self, flows: u32) -> u32 {
        match self {
            Self::Streams { .. } => (streams::WARM_UP / flows).max(1),
            Self::Gate { .. } | Self::Loop | Self::Limit => 1,
        }
    }

    pub fn can(&self, case: Case) -> bool {
        match self {
            Self::Gate { .. } => true,
            Self::Loop | Self::Limit => matches!(case.kind, Kind::Live | Kind::Hold | Kind::Drain | Kind::Latency),
            Self::Streams { .. } => matches!(case.kind, Kind::Live | Kind::Hold | Kind::Drain),
        }
    }

    /// An instance that is a gate, for the cases of gates alone.
    pub fn gate(&self, instance: &str, directory: &Path, brokers: &str, topics: &Topics) -> Result<Gate> {
        let program = self.program().ok_or("only a gate can do this")?;
        Gate::start(program, instance, directory, brokers, topics, &[])
    }

    pub fn start(&self, case: Case, directory: &Path, brokers: &str, topics: &Topics) -> Result<Contender> {
        match self {
            Self::Gate { program, .. } => gate::launch(program, "bench", directory, brokers, topics, &[]),
            Self::Streams { built } => streams::start(built, directory, brokers, topics),
            Self::Loop | Self::Limit => {
                let (records, millis) = match (self, case.kind, case.flows) {
                    // What a broker takes in many topics at once it takes in long transactions.
                    (_, Kind::Hold, 2..) => (400_000, 1000),
                    (Self::Limit, ..) => (100_000, 150),
                    _ => (20_000, 50),
                };
                let (records, millis) = (records.to_string(), millis.to_string());
                let mut args = ["copy", "--brokers", brokers, "--prefix", &topics.prefix].map(str::to_owned).to_vec();
                args.extend(["--records", &records, "--millis", &millis].map(str::to_owned));
                if case.kind == Kind::Hold {
                    args.extend(["--flows".to_owned(), case.flows.to_string()]);
                }
                if *self == Self::Limit {
                    args.push("--limit".to_owned());
                }
                Contender::start(directory, &env::current_exe()?, &args, &[])
            }
        }
    }
}

/// Where a contestant runs, and leaves what it has to.
pub fn directory() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("flowgate-side-by-side-").tempdir()?)
}

/// The gate of this tree, built for release: cargo builds no other package's programs for this one.
fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // With this package beside it, its dependencies are those that are built already.
    let args = ["build", "--release", "-p", "flowgate", "-p", env!("CARGO_PKG_NAME"), "--bin", "flowgate"];
    let status = Command::new(cargo).args(args).current_dir(root).status()?;
    if !status.success() {
        return Err("the gate could not be built".into());
    }
    let program = env::current_exe()?.with_file_name("flowgate");
    if !program.exists() {
        return Err(format!("no {}: run this with `cargo run --release`", program.display()).into());
    }
    Ok(program)
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gate { name, .. } => name,
            Self::Loop => "loop",
            Self::Limit => "limit",
            Self::Streams { .. } => "streams",
        })
    }
}
