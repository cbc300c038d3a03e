//! The commands of `flowgate`: a file each. What they do to Kafka is generic over the broker, so that tests run it on
//! the memory broker; only [`main`] connects to a cluster.

mod config;
mod demo;
mod failure;
mod flow;
mod flows;
mod handles;
mod log;
mod output;
mod pause;
mod positions;
mod progress;
mod resume;
mod run;
mod send;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests;
mod topics;
mod usage;

use std::fmt;
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::broker::Broker;
use crate::broker::kafka::{Kafka, KafkaOptions};
use crate::config::{Settings, Sources};

pub use failure::{Failure, exit};
use log::log;

/// The gate in front of automation flows, on Kafka: pauses them, holds their events, resumes them in order, exactly once.
#[derive(Debug, Parser)]
#[command(name = "flowgate", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Settings come from flags, then FLOWGATE_... in the environment, then flowgate.toml: see `flowgate config show`.

Exit codes: 0 done; 1 something else; 2 usage or configuration; 3 topics; 4 fenced by an equal;
5 watchdog; 6 authentication or TLS; 7 rejected; 8 no answer; 9 positions lost.";

#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
struct Global {
    /// The file with settings [default: flowgate.toml, if there is one]
    #[arg(long, global = true, env = "FLOWGATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Some brokers of the cluster
    #[arg(long, global = true, value_name = "HOST:PORT,...")]
    brokers: Option<String>,
    /// What the names of all topics start with
    #[arg(long, global = true)]
    prefix: Option<String>,
    /// Any setting that is no secret, such as `kafka.sasl.username=ops`; can be repeated
    ///
    /// What may be a secret is refused here, for every user of a machine can read its command lines: it belongs into the
    /// file, or into the environment (FLOWGATE_KAFKA__SASL_PASSWORD).
    #[arg(long = "set", short = 'X', global = true, value_name = "NAME=VALUE")]
    set: Vec<Assignment>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    /// Run the gate
    Run(run::Args),
    /// Create the topics of a prefix, or compare them with what the promises need
    #[command(subcommand)]
    Topics(topics::Command),
    /// Pause flows: their events are held until a resume, or until the timer fires
    ///
    /// Of a flow that is paused already only what is given changes.
    Pause(pause::Args),
    /// Resume flows: what is held goes downstream, in order
    ///
    /// Of a flow that is resuming already only what is given changes.
    Resume(resume::Args),
    /// List flows
    Flows(flows::Args),
    /// Show one flow in full
    Flow(flow::Args),
    /// Show where the gate is in its input, or restore it after it was lost
    Positions(positions::Args),
    /// Look at the settings
    #[command(subcommand)]
    Config(config::Command),
}

/// `NAME=VALUE` as it was written. Not read by clap, whose errors quote what they do not like.
#[derive(Clone)]
struct Assignment(String);

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

/// The definition of the command line.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Parses the arguments, does what they say, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::tell(error, std::env::args_os()),
    };
    let cli = match cli.command {
        Command::Demo(demo) => return demo.run(&cli.global),
        command => Cli { command, ..cli },
    };
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

/// Says why, and gives the exit code.
fn fail(failure: &Failure) -> ExitCode {
    if failure.code > 0 {
        // Nobody may be reading: the exit code still tells.
        let _ = writeln!(std::io::stderr(), "error: {failure}");
    }
    ExitCode::from(failure.code)
}

impl Cli {
    fn run(self) -> Result<(), Failure> {
        let out: &mut dyn Write = &mut std::io::stdout().lock();
        let Self { global, command } = self;
        let sources = global.sources();
        match command {
            Command::Config(command) => config::run(&command, &sources, out),
            Command::Run(args) => {
                let sources = args.add_to(sources);
                let settings = Settings::load(&sources)?;
                log(settings.log.format, &settings.log.level);
                for warning in sources.warnings() {
                    tracing::warn!("{warning}");
                }
                run::run(&settings)
            }
            command => {
                let settings = Settings::load(&sources)?;
                log(settings.log.format, "error");
                let broker = connect(&settings)?;
                command.on(&broker, &settings, out)
            }
        }
    }
}

impl Command {
    fn on<B: Broker>(self, broker: &B, settings: &Settings, out: &mut dyn Write) -> Result<(), Failure> {
        let topics = &settings.topics;
        match self {
            Self::Topics(command) => topics::run(&command, broker, topics, settings.limits.max_pause, out),
            Self::Pause(args) => pause::run(&args, broker, topics, out),
            Self::Resume(args) => {
                let progress = progress::Progress::new(std::io::stderr().is_terminal());
                resume::run(&args, broker, topics, progress, out)
            }
            Self::Flows(args) => flows::run(&args, broker, topics, out),
            Self::Flow(args) => flow::run(&args, broker, topics, out),
            Self::Positions(args) => positions::run(&args, broker, topics, out),
            Self::Demo(_) | Self::Run(_) | Self::Config(_) => Ok(()),
        }
    }
}

impl Global {
    fn sources(&self) -> Sources {
        let file = self.config.clone().unwrap_or_else(|| PathBuf::from("flowgate.toml"));
        let mut sources = Sources::new().with_file(&file, self.config.is_some()).with_environment(std::env::vars_os());
        for Assignment(text) in &self.set {
            sources = sources.with_assignment(text);
        }
        sources.with_flag("brokers", self.brokers.clone()).with_flag("prefix", self.prefix.clone())
    }
}

/// How long a tool waits for the first answer of a broker.
const CONNECT: Duration = Duration::from_secs(10);

fn connect(settings: &Settings) -> Result<Kafka, Failure> {
    let kafka = kafka(settings);
    kafka.connect(CONNECT)?;
    Ok(kafka)
}

fn kafka(settings: &Settings) -> Kafka {
    Kafka::new(KafkaOptions {
        brokers: settings.brokers.clone(),
        client: settings.kafka.0.clone(),
        reader_group: settings.topics.group.clone(),
        fetched_bytes: settings.shares().fetched,
    })
}
