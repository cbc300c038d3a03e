//! An upstream, an operator and an onlooker of one gate, on any broker.

use super::Failure;
use super::feed::Feed;
use super::operator::Operator;
use super::purchases::Incoming;
use super::story::{Line, Story};
use super::watch::Watch;
use crate::broker::Broker;
use crate::schema::topics::Topics;

pub struct Session<B: Broker> {
    pub feed: Feed<B>,
    pub operator: Operator<B>,
    pub watch: Watch<B>,
    story: Story,
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
        })
    }

    /// What has happened since the last call.
    ///
    /// # Errors
    /// As [`Watch::poll`].
    pub fn news(&mut self) -> Result<Vec<Line>, Failure> {
        let news = self.watch.poll()?;
        Ok(self.story.tell(news, self.watch.flows()))
    }
}
