//! What is wrong with a command line, without repeating what may be a secret on it.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::{ContextValue, ErrorKind};

use super::failure::{Failure, exit, fail};
use crate::broker::kafka::settings::looks_secret;
use crate::legible::legible;

/// Tells clap's error, and gives the exit code.
pub fn tell(error: clap::Error, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !asked && arguments.into_iter().any(|argument| is_delicate(&argument.to_string_lossy())) {
        return fail(&refusal(&error));
    }
    // Nobody may be reading: the exit code still tells.
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::CONFIGURATION));
    let _ = match as_signs(error) {
        Ok(text) => writeln!(std::io::stderr(), "{text}"),
        Err(error) => error.print(),
    };
    code
}

/// Clap's error where it quotes what a terminal would obey.
fn as_signs(mut error: clap::Error) -> Result<String, clap::Error> {
    let evil = |value: &ContextValue| match value {
        ContextValue::String(text) => Some(legible(text)).filter(|shown| shown != text).map(Cow::into_owned),
        _ => None,
    };
    let quoted: Vec<_> = error.context().filter_map(|(kind, value)| Some((kind, evil(value)?))).collect();
    if quoted.is_empty() {
        return Err(error);
    }
    for (kind, shown) in quoted {
        error.insert(kind, ContextValue::String(shown));
    }
    // Without colours: what else there is of the same text, as in a parser's own words, is not told from them.
    let plain = error.render().to_string();
    Ok(plain.lines().map(legible).collect::<Vec<_>>().join("\n"))
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

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    fn error(arguments: &[&str]) -> clap::Error {
        Cli::try_parse_from(["flowgate"].iter().chain(arguments)).map(drop).unwrap_err()
    }

    #[test]
    fn an_argument_with_escapes_is_shown_as_signs() {
        let text = as_signs(error(&["flows", "--min-held", "\u{1b}[2J"])).unwrap();
        assert!(text.contains("invalid value '\\u{1b}[2J' for '--min-held <EVENTS>'"), "{text}");
        assert!(as_signs(error(&["flows", "--min-held", "x"])).is_err(), "clap tells it, with its colours");
    }

    #[test]
    fn a_command_line_about_logins_is_not_repeated() {
        let words = [&["flows", "-X", "kafka.sasl.password", "hunter2"][..], &["flows", "--sasl.password=hunter2"]];
        for arguments in words {
            assert!(arguments.iter().any(|argument| is_delicate(argument)), "{arguments:?}");
            let failure = refusal(&error(arguments));
            assert!(failure.code == exit::CONFIGURATION && !failure.to_string().contains("hunter2"), "{failure}");
        }
        assert!(!["pause", "welcome", "--for", "3d"].iter().any(|argument| is_delicate(argument)));
    }
}
