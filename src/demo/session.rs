//! An upstream, an operator and an onlooker of one gate, on any broker.

use super::Failure;
use super::calendar::Calendar;
use super::feed::Feed;
use super::operator::Operator;
use super::purchases::Incoming;
use super::story::{Line, Story};
use super::watch::{News, Watch};
use crate::broker::Broker;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// So often news are kept back that the counts do not bear out yet.
const PATIENCE: u32 = 20;

pub struct Session<B: Broker> {
    pub feed: Feed<B>,
    pub operator: Operator<B>,
    pub watch: Watch<B>,
    story: Story,
    untold: Vec<News>,
    /// How often they were kept back.
    kept_back: u32,
}

impl<B: Broker> Session<B> {
    /// `operator`: who issues the commands.
    ///
    /// # Errors
    /// The broker's, if it cannot be reached or the topics are not there.
    pub fn open(broker: &B, topics: &Topics, events: Vec<Incoming>, operator: &'static str) -> Result<Self, Failure> {
        Ok(Self {
            feed: Feed::new(broker, topics, events)?,
            operator: Operator::new(broker, topics, operator)?,
            watch: Watch::new(broker, topics)?,
            story: Story::default(),
            untold: Vec::new(),
            kept_back: 0,
        })
    }

    /// Takes in what has happened.
    ///
    /// # Errors
    /// As [`Watch::poll`].
    pub fn listen(&mut self, calendar: &Calendar) -> Result<(), Failure> {
        self.untold.extend(self.watch.poll(calendar)?);
        Ok(())
    }

    /// Whether everything is done that was to be done by `now`, a time of the calendar: every event sent has its place,
    /// every order its answer, and no flow drains as fast as it can.
    #[must_use]
    pub fn is_settled(&self, now: Timestamp) -> bool {
        let watch = &self.watch;
        let sent = self.feed.sent() as u64;
        watch.placed() == sent && watch.answers() == self.operator.orders() && watch.agrees() && watch.rests(now)
    }

    /// What was taken in and not yet told.
    pub fn tell(&mut self) -> Vec<Line> {
        self.kept_back = 0;
        self.story.tell(std::mem::take(&mut self.untold), self.watch.flows())
    }

    /// As [`Session::tell`], but not while the topics that were read contradict each other: they are read one after the
    /// other.
    pub fn tell_what_agrees(&mut self) -> Vec<Line> {
        if self.untold.is_empty() || (!self.watch.agrees() && self.kept_back < PATIENCE) {
            self.kept_back += 1;
            return Vec::new();
        }
        self.tell()
    }
}
