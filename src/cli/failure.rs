//! How a command of the CLI fails: what, in detail, and what can be done; and its exit code.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use crate::broker::{Code, Error};
use crate::config::Invalid;
use crate::legible::legible;
use crate::worker::Stop;

/// Exit codes, as the manual has them.
pub mod exit {
    pub const OTHER: u8 = 1;
    pub const CONFIGURATION: u8 = 2;
    pub const TOPICS: u8 = 3;
    pub const FENCED: u8 = 4;
    pub const WATCHDOG: u8 = 5;
    pub const AUTHENTICATION: u8 = 6;
    pub const REJECTED: u8 = 7;
    pub const NO_ANSWER: u8 = 8;
    pub const POSITIONS: u8 = 9;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: u8,
    /// What failed: lower case, no full stop.
    pub what: String,
    /// A line each, where one is not enough.
    pub details: Vec<String>,
    pub hint: Option<String>,
}

impl Failure {
    #[must_use]
    pub fn new(code: u8, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), details: Vec::new(), hint: None }
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// For a terminal.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&legible(&self.what))?;
        self.details.iter().try_for_each(|detail| write!(f, "\n  {}", legible(detail)))?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  hint: {}", legible(hint)))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.code {
            Code::Authentication => {
                Self::new(exit::AUTHENTICATION, format!("the brokers refuse to let us in: {error}"))
                    .hint("check user, password, certificates and `security.protocol` under `[kafka]`")
            }
            Code::NoToken => Self::new(exit::AUTHENTICATION, format!("no token for the brokers: {error}")).hint(
                "check `sasl.oauthbearer.token.endpoint.url`, id, secret and scope of the client under `[kafka]`",
            ),
            Code::Denied => Self::new(exit::OTHER, format!("the brokers do not allow it: {error}"))
                .hint("`flowgate acls ROLE` prints what each role needs, `--check` what this user lacks of it"),
            Code::UnknownTopic => {
                Self::new(exit::TOPICS, error.detail).hint("check `--prefix`, or run `flowgate topics create`")
            }
            Code::InvalidArgument => Self::new(exit::CONFIGURATION, error.detail)
                .hint("`flowgate config show` says where each setting comes from"),
            Code::TimedOut => Self::new(exit::OTHER, format!("the brokers do not answer: {error}"))
                .hint("check `--brokers`, and that they are up and can be reached from here"),
            _ => Self::new(exit::OTHER, error.detail),
        }
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        let details = invalid.0.iter().map(ToString::to_string).collect();
        Self { details, ..Self::new(exit::CONFIGURATION, invalid.count()) }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::new(stop.exit_code(), stop.to_string())
    }
}

/// Standard output is closed: whoever read it has seen enough.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(0, ""),
            _ => Self::new(exit::OTHER, format!("cannot write the output: {error}")),
        }
    }
}

/// Says why, and gives the exit code.
pub(super) fn fail(failure: &Failure) -> ExitCode {
    if failure.code > 0 {
        // Nobody may be reading: the exit code still tells.
        let _ = writeln!(std::io::stderr(), "error: {failure}");
    }
    ExitCode::from(failure.code)
}
