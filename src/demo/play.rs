//! The whole company: gate, upstream, onlooker, and an operator who follows a script or waits to be told. Moves the
//! calendar from one moment at which something is to be done to the next.

use std::collections::VecDeque;
use std::time::Duration;

use super::backend::{Backend, Way};
use super::calendar::{Calendar, Tempo};
use super::console::Console;
use super::operator::Order;
use super::script::{self, Step};
use super::session::Session;
use super::story::Line;
use super::{Failure, proof, purchases};
use crate::time::Timestamp;

/// The least that two moments can be apart.
const MILLISECOND: Duration = Duration::from_millis(1);

pub struct Play<B: Backend> {
    backend: B,
    pub session: Session<B::Broker>,
    script: VecDeque<Step>,
    /// `None`: as fast as it goes.
    tempo: Option<Tempo>,
    start: Timestamp,
    end: Timestamp,
}

impl<B: Backend> Play<B> {
    /// # Errors
    /// [`Failure`]: the gate cannot work there, or the broker cannot be reached.
    pub fn start(setup: B::Setup, way: Way) -> Result<Self, Failure> {
        let events = purchases::events();
        let first = events.first().map_or(Timestamp(0), |event| event.at);
        let end = events.last().map_or(Timestamp(0), |event| event.at);
        // The first purchases come at noon.
        let start = first.before(Duration::from_secs(12 * 60 * 60));
        let backend = B::start(setup, start, way)?;
        let (operator, script) = match way {
            Way::Fast | Way::Daily { .. } => ("ops", script::steps()),
            Way::Watched { .. } => ("you", Vec::new()),
        };
        let mut session = Session::open(backend.broker(), backend.topics(), events, operator)?;
        if matches!(way, Way::Watched { .. }) {
            session.feed = session.feed.spread();
        }
        let tempo = way.day().map(|day| Tempo::new(start, day));
        Ok(Self { backend, session, script: script.into(), tempo, start, end })
    }

    /// Serves the gate's console from now on.
    ///
    /// # Errors
    /// [`Failure::Gate`]: nobody can look on.
    pub fn console(&mut self) -> Result<Console, Failure> {
        let board = self.backend.board()?;
        Ok(Console::open(&board, self.backend.topics()))
    }

    #[must_use]
    pub fn backend(&self) -> &B {
        &self.backend
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.backend.now()
    }

    /// Which time of the calendar it is to be by now; without a tempo, the end.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        self.tempo.map_or(self.end, |tempo| tempo.now())
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

    /// When the next thing is to be done.
    #[must_use]
    pub fn next_moment(&self) -> Option<Timestamp> {
        let step = self.script.front().map(|step| step.at);
        let other = match self.backend.leaps() {
            true => self.session.watch.next_deadline(),
            false => self.session.feed.next_at(),
        };
        [step, other].into_iter().flatten().min()
    }

    /// Lives until this time, and says what has happened.
    ///
    /// # Errors
    /// [`Failure`]: there is no way on.
    pub fn run_until(&mut self, time: Timestamp) -> Result<Vec<Line>, Failure> {
        let mut lines = Vec::new();
        while let Some(next) = self.next_moment().filter(|next| *next <= time) {
            // What was leapt over; orders come before the events of their own moment.
            self.session.feed.send_until(next.before(MILLISECOND))?;
            lines.extend(self.live_until(next)?);
            while let Some(step) = self.script.front().filter(|step| step.at <= next).cloned() {
                self.script.pop_front();
                self.order(&step.order)?;
                lines.extend(self.live_until(next)?);
            }
            self.session.feed.send_until(next)?;
            lines.extend(self.live_until(next)?);
        }
        self.session.feed.send_until(time)?;
        lines.extend(self.live_until(time)?);
        Ok(lines)
    }

    /// Gives an order now.
    ///
    /// # Errors
    /// The broker's, if it refused the command.
    pub fn order(&mut self, order: &Order) -> Result<(), Failure> {
        let order = Order { action: self.calendar().order(&order.action), ..order.clone() };
        Ok(self.session.operator.order(&order, self.backend.clock())?)
    }

    /// Stops the gate in good order, and has the topics checked.
    ///
    /// # Errors
    /// [`Failure`]: it did not end well, or the topics cannot be read.
    pub fn prove(mut self) -> Result<proof::Proof, Failure> {
        self.backend.stop()?;
        Ok(proof::prove(self.backend.broker(), self.backend.topics())?)
    }

    fn calendar(&self) -> Calendar {
        self.backend.calendar(self.tempo)
    }

    fn live_until(&mut self, time: Timestamp) -> Result<Vec<Line>, Failure> {
        self.backend.run_until(time)?;
        let calendar = self.calendar();
        self.session.listen(&calendar)?;
        if self.tempo.is_some() {
            return Ok(self.session.tell_what_agrees());
        }
        while !self.session.is_settled(self.now()) {
            self.backend.wait()?;
            self.session.listen(&calendar)?;
        }
        Ok(self.session.tell())
    }
}
