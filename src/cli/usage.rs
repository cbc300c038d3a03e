//! What is wrong with a command line, without repeating what may be a secret on it.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;

use super::{Failure, exit, fail};
use crate::broker::kafka::settings::looks_secret;

/// Tells clap's error, and gives the exit code.
pub fn tell(error: clap::Error, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !asked && arguments.into_iter().any(|argument| is_delicate(&argument.to_string_lossy())) {
        return fail(&refusal(&error));
    }
    // Nobody may be reading: the exit code still tells.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::CONFIGURATION))
}

/// Whether something on this command line is about logins: then any word of it may be the secret, put in the wrong place.
fn is_delicate(argument: &str) -> bool {
    let lower = argument.to_ascii_lowercase();
    ["kafka.", "sasl", "ssl", "password", "secret"].iter().any(|word| lower.contains(word)) || looks_secret(argument)
}

/// Says what is wrong in clap's words, but for those of the command line.
fn refusal(error: &clap::Error) -> Failure {
    let kind = error.kind().as_str().unwrap_or("it cannot be understood");
    Failure::new(
        exit::CONFIGURATION,
        format!("the command line is wrong: {kind}; it is not repeated, for it may hold a secret"),
    )
    .hint(
        "settings are written `-X NAME=VALUE`, secrets into the file or the environment \
             (FLOWGATE_KAFKA__SASL_PASSWORD); see `flowgate --help`",
    )
}
