//! The commands of `flowgate`: a file each. What they do to Kafka is generic over the broker, so that tests run it on
//! the memory broker; only [`main`] connects to a cluster.

mod acls;
mod actor;
mod audit;
mod audit_rows;
mod audit_words;
mod capacity;
mod choose;
mod columns;
mod completions;
mod config;
mod confirm;
mod connect;
mod contexts;
mod demo;
mod failure;
mod flow;
mod flow_rows;
mod flows;
mod follow;
mod forget;
mod global;
mod handles;
mod held_rows;
mod known;
mod left;
mod letter_rows;
mod letters;
mod listing;
mod log;
mod man;
mod open;
mod output;
mod pause;
mod positions;
mod progress;
mod purge;
mod queue;
mod queue_words;
mod reach;
mod ready;
mod redrive;
mod release;
mod reread;
mod rereading;
mod resume;
mod run;
mod scanning;
mod schema;
mod screen;
mod selecting;
mod send;
mod spawn;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod token;
mod topics;
mod traces;
mod until_done;
mod usage;
mod values;
mod watch;
mod yaml;

use std::io::{IsTerminal as _, Write};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::broker::Broker;
use crate::config::Settings;

use connect::connect;
use failure::fail;
pub use failure::{Failure, exit};
use global::Global;
use log::log;
use screen::Screen;

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
Settings come from flags, then FLOWGATE_... in the environment, then flowgate.toml or the file that --config or --context
names: see `flowgate config show`.

Exit codes: 0 done; 1 something else; 2 usage or configuration; 3 topics; 4 fenced by an equal;
5 watchdog; 6 authentication or TLS; 7 rejected; 8 no answer; 9 positions lost.";

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
    /// Deliver a sample of what a paused flow holds, from the oldest on; it stays paused
    Release(release::Args),
    /// Discard what a paused flow holds now; it stays paused
    ///
    /// What is discarded stays in the discarded topic for 90 days.
    Purge(purge::Args),
    /// Forget live flows that never held an event: for names that were mistakes
    Forget(forget::Args),
    /// Put letters back into the enrollments, as new events
    ///
    /// What was purged by mistake comes back to its paused flow like this, behind what is held. Under `keep: latest` it
    /// replaces what is held of its record and kind, though that is newer: look with `flowgate queue FLOW --record ID`.
    Redrive(redrive::Args),
    /// List flows
    Flows(flows::Args),
    /// Show one flow in full
    Flow(flow::Args),
    /// Show the events that a flow holds, and what becomes of each when it is resumed
    ///
    /// FATE says what happens to an event if the flow is resumed as it stands: it is `released`; `replaced`, for a newer event or a
    /// withdraw of its record is held; `removed` by a purge; or `?`: what is held behind it was not read to its end, so nobody
    /// knows. `-o name` prints the numbers of entries.
    Queue(queue::Args),
    /// Show what has happened to flows, and the answers to commands: the newest last
    ///
    /// `-o name` prints partition and offset of each event, such as 3/58.
    Audit(audit::Args),
    /// Show events that were not delivered, and why
    ///
    /// ITEM, which `-o name` prints, is partition and offset in the topic of such events, such as 3/58.
    #[command(subcommand)]
    Letters(letters::Command),
    /// Show where the gate is in its input, or restore it after it was lost
    Positions(positions::Args),
    /// Look at the settings
    #[command(subcommand)]
    Config(config::Command),
    Acls(acls::Args),
    Capacity(capacity::Args),
    /// Make tokens for HTTP
    #[command(subcommand)]
    Token(token::Command),
    Open(open::Args),
    Ready(ready::Args),
    Completions(completions::Args),
    Man(man::Args),
    Schema(schema::Args),
}

/// The definition of the command line.
#[must_use]
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Parses the arguments, does what they say, and gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = completions::answer(definition) {
        return code;
    }
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

impl Cli {
    fn run(self) -> Result<(), Failure> {
        let out: &mut dyn Write = &mut std::io::stdout().lock();
        let Self { global, command } = self;
        match command {
            Command::Config(command) => config::run(&command, &global.sources_of_process()?, out),
            Command::Completions(_) | Command::Man(_) | Command::Schema(_) | Command::Token(_)
                if !global.set.is_empty() =>
            {
                let what = "`-X` gives a setting, and this command reads none";
                Err(Failure::new(exit::CONFIGURATION, what).hint("leave it away"))
            }
            Command::Completions(args) => completions::run(&args, out),
            Command::Man(args) => man::run(&args, definition(), out),
            Command::Schema(args) => schema::run(&args, &Screen::of_process(), out),
            Command::Token(command) => token::run(&command, out),
            Command::Open(args) => open::run(&args, &Settings::load_without_http(&global.sources_of_process()?)?, out),
            Command::Acls(args) if !args.check => {
                args.print(&Settings::load_without_http(&global.sources_of_process()?)?, out)
            }
            Command::Capacity(args) => args.run(&Settings::load_without_http(&global.sources_of_process()?)?, out),
            Command::Ready(_) => ready::run(&Settings::load_without_http(&global.sources_of_process()?)?, out),
            Command::Run(args) => {
                let sources = args.add_to(global.sources_of_process()?);
                let settings = Settings::load(&sources)?;
                log(settings.log.format, &settings.log.level);
                for warning in sources.warnings() {
                    tracing::warn!("{warning}");
                }
                run::run(&settings)
            }
            command => {
                let settings = Settings::load_without_http(&global.sources_of_process()?)?;
                log(settings.log.format, "error");
                let broker = connect(&settings)?;
                command.on(&broker, &settings, &Screen::of_process(), out)
            }
        }
    }
}

impl Command {
    fn on<B: Broker>(
        self,
        broker: &B,
        settings: &Settings,
        screen: &Screen,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let topics = &settings.topics;
        let progress = || progress::Progress::new(std::io::stderr().is_terminal());
        match self {
            Self::Topics(command) => topics::run(&command, broker, topics, settings.limits.max_pause, out),
            Self::Pause(args) => pause::run(&args, broker, topics, out),
            Self::Resume(args) => resume::run(&args, broker, topics, progress(), out),
            Self::Release(args) => release::run(&args, broker, topics, progress(), out),
            Self::Purge(args) => purge::run(&args, broker, topics, progress(), out),
            Self::Redrive(args) => redrive::run(&args, broker, topics, screen, out),
            Self::Forget(args) => forget::run(&args, broker, topics, out),
            Self::Flows(args) if args.watch => watch::watch(&args, broker, topics, screen, out),
            Self::Flows(args) => flows::run(&args, broker, topics, screen, out),
            Self::Flow(args) => flow::run(&args, broker, topics, screen, out),
            Self::Queue(args) => queue::run(&args, broker, topics, screen, out),
            Self::Audit(args) => audit::run(&args, broker, topics, screen, out),
            Self::Letters(command) => letters::run(&command, broker, topics, screen, out),
            Self::Positions(args) => positions::run(&args, broker, topics, out),
            Self::Acls(args) => args.look(broker, settings, out),
            Self::Demo(_) | Self::Run(_) | Self::Config(_) | Self::Completions(_) | Self::Man(_) => Ok(()),
            Self::Token(_) | Self::Open(_) | Self::Ready(_) | Self::Schema(_) | Self::Capacity(_) => Ok(()),
        }
    }
}
