//! Why a process has to end, each with its exit code and one sentence that says what to do.

use thiserror::Error;

use crate::broker::{Code, Error as BrokerError};

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Stop {
    #[error("{0}")]
    Other(String),
    #[error("{0}; `flowgate config show` says where each setting comes from")]
    Configuration(String),
    #[error("{0}")]
    Topics(String),
    #[error("another process runs under the same transactional id ({0}): give each instance its own `--instance`")]
    FencedByEqual(String),
    #[error(
        "the brokers refuse to let us in ({0}): check user, password, certificates and `security.protocol` under `[kafka]`"
    )]
    Authentication(String),
    #[error("no token for the brokers ({0}): check id, secret and scope of `sasl.oauthbearer` under `[kafka]`")]
    NoToken(String),
    #[error("the input positions are lost: {0}; look at them with `flowgate positions`, and restore them there")]
    PositionsLost(String),
}

impl Stop {
    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Other(_) => 1,
            Self::Configuration(_) => 2,
            Self::Topics(_) => 3,
            Self::FencedByEqual(_) => 4,
            Self::Authentication(_) | Self::NoToken(_) => 6,
            Self::PositionsLost(_) => 9,
        }
    }

    pub(super) fn broken(what: impl Into<String>) -> Self {
        Self::Other(what.into())
    }

    pub(super) fn topics(what: impl Into<String>) -> Self {
        Self::Topics(what.into())
    }
}

impl From<BrokerError> for Stop {
    fn from(error: BrokerError) -> Self {
        match error.code {
            Code::Fenced => Self::FencedByEqual(error.detail),
            Code::Authentication => Self::Authentication(error.detail),
            Code::NoToken => Self::NoToken(error.detail),
            Code::InvalidArgument => Self::Configuration(error.detail),
            _ => Self::Other(error.detail),
        }
    }
}
