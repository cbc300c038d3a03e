//! The commands of `flowgate`: each a file, which defines its flags and carries it out.

mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "flowgate", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
}

/// Parses the command line, carries it out, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Demo(demo) => demo.run(),
    }
}
