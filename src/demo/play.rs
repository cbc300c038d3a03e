//! The whole company on the memory broker: gate, upstream, onlooker, and an operator who follows a script or waits to be
//! told. Moves the calendar from one moment at which something happens to the next.

use std::collections::VecDeque;
use std::time::Duration;

use super::operator::Order;
use super::script::{self, Step};
use super::session::Session;
use super::simulation::{Pace, Simulation};
use super::story::Line;
use super::{Failure, proof, purchases};
use crate::broker::memory::Memory;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// Flows have their homes on so many partitions.
const PARTITIONS: i32 = 6;

/// How often the broker's cleaner runs, in the calendar.
const CLEANING: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Which way to play.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Events at their own moments; the operator follows the script.
    Scripted,
    /// To be looked at: events spread over their days, drains slowed down; the operator waits to be told.
    Watched(Pace),
}

pub struct Play {
    pub simulation: Simulation,
    pub session: Session<Memory>,
    topics: Topics,
    script: VecDeque<Step>,
    clean_at: Timestamp,
    start: Timestamp,
    end: Timestamp,
}

impl Play {
    /// # Errors
    /// [`Failure`]; none is to be expected.
    pub fn start(way: Way) -> Result<Self, Failure> {
        let topics = Topics::new("demo")?;
        let events = purchases::events();
        let first = events.first().map_or(Timestamp(0), |event| event.at);
        let end = events.last().map_or(Timestamp(0), |event| event.at);
        // The first purchases come at noon.
        let start = first.before(Duration::from_secs(12 * 60 * 60));
        let pace = match way {
            Way::Scripted => None,
            Way::Watched(pace) => Some(pace),
        };
        let simulation = Simulation::start(&topics, PARTITIONS, start, pace)?;
        let (operator, script) = match way {
            Way::Scripted => ("ops", script::steps()),
            Way::Watched(_) => ("you", Vec::new()),
        };
        let mut session = Session::open(simulation.broker(), &topics, events, operator)?;
        if matches!(way, Way::Watched(_)) {
            session.feed = session.feed.spread();
        }
        Ok(Self { simulation, session, topics, script: script.into(), clean_at: start.after(CLEANING), start, end })
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.simulation.now()
    }

    /// Midnight before the first event.
    #[must_use]
    pub fn first_day(&self) -> Timestamp {
        self.start
    }

    /// The moment of the last event.
    #[must_use]
    pub fn end_of_data(&self) -> Timestamp {
        self.end
    }

    /// Lives until this time, and says what has happened.
    ///
    /// # Errors
    /// [`Failure`]: there is no way on.
    pub fn run_until(&mut self, time: Timestamp) -> Result<Vec<Line>, Failure> {
        let mut lines = Vec::new();
        while let Some(next) = self.next_moment().filter(|next| *next <= time) {
            self.simulation.run_until(next)?;
            lines.extend(self.session.news()?);
            if self.clean_at <= next {
                self.simulation.clean()?;
                self.clean_at = self.clean_at.after(CLEANING);
            }
            while let Some(step) = self.script.front().filter(|step| step.at <= next) {
                self.session.operator.order(&step.order, self.simulation.now())?;
                self.script.pop_front();
            }
            self.session.feed.send_until(next)?;
            self.simulation.run_until(next)?;
            lines.extend(self.session.news()?);
        }
        self.simulation.run_until(time)?;
        lines.extend(self.session.news()?);
        Ok(lines)
    }

    /// Gives an order now.
    ///
    /// # Errors
    /// The broker's, if it refused the command.
    pub fn order(&mut self, order: &Order) -> Result<(), Failure> {
        Ok(self.session.operator.order(order, self.simulation.now())?)
    }

    /// Stops the gate in good order, and has the topics checked.
    ///
    /// # Errors
    /// [`Failure`]; none is to be expected.
    pub fn prove(mut self) -> Result<proof::Proof, Failure> {
        self.simulation.stop()?;
        Ok(proof::prove(self.simulation.broker(), &self.topics)?)
    }

    fn next_moment(&self) -> Option<Timestamp> {
        let step = self.script.front().map(|step| step.at);
        [step, self.session.feed.next_at(), Some(self.clean_at)].into_iter().flatten().min()
    }
}
