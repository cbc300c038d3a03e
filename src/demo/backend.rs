//! What a demo runs on: a broker, the gate at work on it, and the time that passes there.

use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use super::calendar::{Calendar, Tempo};
use crate::broker::Broker;
use crate::instance::Board;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// Which way to play.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Everything as fast as it goes. The operator follows the script, and each order waits until what comes before it
    /// is done.
    Fast,
    /// A day of the calendar takes `day`; the operator follows the script.
    Daily { day: Duration },
    /// To be looked at: events spread over their days, drains slowed down; the operator waits to be told.
    Watched { day: Duration, pace: Pace },
}

/// How a drain is slowed down, to be seen: at the speed of the calendar it would be over at once.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Held events passed in one turn.
    pub entries: usize,
    /// How long such a turn takes where time is simulated.
    pub turn: Duration,
}

impl Way {
    /// How long a day of the calendar takes; `None`: as short as it goes.
    #[must_use]
    pub fn day(&self) -> Option<Duration> {
        match self {
            Self::Fast => None,
            Self::Daily { day } | Self::Watched { day, .. } => Some(*day),
        }
    }
}

/// A broker with a gate at work on it, in a calendar.
pub trait Backend: Sized {
    type Broker: Broker;

    /// What it takes to start one.
    type Setup;

    /// Waits until the gate has joined. The calendar stands at `from`.
    ///
    /// # Errors
    /// [`Failure`]: the gate cannot work there.
    fn start(setup: Self::Setup, from: Timestamp, way: Way) -> Result<Self, Failure>;

    fn broker(&self) -> &Self::Broker;

    fn topics(&self) -> &Topics;

    /// The time in the calendar.
    fn now(&self) -> Timestamp;

    /// The time by the gate's clock.
    fn clock(&self) -> Timestamp;

    /// How the gate's times read now. `tempo`: that of the calendar, if it has one.
    fn calendar(&self, tempo: Option<Tempo>) -> Calendar;

    /// What the gate shows of itself. From the first call on those look on who tell it, as in any instance: they follow the states, hear
    /// the audit, and store commands.
    ///
    /// # Errors
    /// [`Failure::Gate`]: no thread can be started.
    fn board(&mut self) -> Result<Arc<Board>, Failure>;

    /// Whether the calendar may leap over events, so that those of many days are sent at once.
    fn leaps(&self) -> bool;

    /// Lets the calendar go on to this time; a gate whose time it is does all that it has to do until then.
    ///
    /// # Errors
    /// [`Failure`]: the gate has stopped.
    fn run_until(&mut self, time: Timestamp) -> Result<(), Failure>;

    /// Lets the gate do something while the calendar stands.
    ///
    /// # Errors
    /// [`Failure`]: the gate has stopped, or has had more time than it can need.
    fn wait(&mut self) -> Result<(), Failure>;

    /// What keeps the gate from its work, in a sentence.
    fn trouble(&self) -> Option<String>;

    /// Ends the gate in good order, as SIGTERM would.
    ///
    /// # Errors
    /// [`Failure`]: it did not end so.
    fn stop(&mut self) -> Result<(), Failure>;
}
