//! Why a step cannot go on as its phase says.

use super::stop::Stop;
use crate::broker::Error;

/// The one error of what is made of several calls: the beginning, chores, and the parts of a gathering.
pub(super) enum Failed {
    /// A call failed: what is to be done about it is for the phase to say.
    Call(Error),
    /// The process has to end.
    Stop(Stop),
}

impl Failed {
    /// The failed call, where that is what it is.
    ///
    /// # Errors
    /// The process has to end.
    pub fn call(self) -> Result<Error, Stop> {
        match self {
            Self::Call(error) => Ok(error),
            Self::Stop(stop) => Err(stop),
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}
