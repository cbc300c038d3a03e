//! Topics read for whoever asks over HTTP: each time with a reader of its own, on a thread that no worker waits for.

use std::sync::Mutex;
use std::time::Duration;

use super::lock::lock;
use crate::broker::{Broker, Result};
use crate::client::answered::Answers;
use crate::client::audited::Told;
use crate::client::meter::Meter;
use crate::client::scan::{Bound, Page, Window};
use crate::client::{answered, depth, held, letter_list, redrive, trail};
use crate::clock::Clock;
use crate::flow::{CommandId, Flow, Target};
use crate::schema::topics::Topics;

/// All of these block.
pub trait Reads: Send + Sync {
    /// # Errors
    /// As [`held::look`].
    fn held(&self, flow: &Flow, wanted: &held::Wanted, window: &Window) -> Result<held::Page>;

    /// # Errors
    /// As [`depth::sample`].
    fn depth(&self, flow: &Flow, points: u32) -> Result<Vec<depth::Point>>;

    /// # Errors
    /// As [`letter_list::look`].
    fn letters(&self, asked: &letter_list::Asked, window: &Window) -> Result<letter_list::List>;

    /// # Errors
    /// As [`trail::look`].
    fn trail(&self, wanted: &trail::Wanted, window: &Window) -> Result<Page<Told>>;

    /// # Errors
    /// As [`answered::look`].
    fn answers(&self, target: &Target, command: &CommandId, bound: Bound) -> Result<Answers>;

    /// # Errors
    /// As [`redrive::preview`].
    fn redrivable(&self, order: &redrive::Order, limit: Duration) -> Result<redrive::Report>;

    /// # Errors
    /// As [`redrive::redrive`].
    fn redrive(&self, order: &redrive::Order, seen: &redrive::Seen) -> Result<redrive::Report>;
}

/// Reads with the clients of a broker.
pub(super) struct Reading<B> {
    broker: Mutex<B>,
    topics: Topics,
    clock: Clock,
}

impl<B: Broker> Reading<B> {
    pub fn new(broker: B, topics: Topics, clock: Clock) -> Self {
        Self { broker: Mutex::new(broker), topics, clock }
    }

    fn broker(&self) -> B {
        lock(&self.broker).clone()
    }
}

impl<B: Broker + Send> Reads for Reading<B> {
    fn held(&self, flow: &Flow, wanted: &held::Wanted, window: &Window) -> Result<held::Page> {
        held::look(&self.broker(), flow, wanted, window)
    }

    fn depth(&self, flow: &Flow, points: u32) -> Result<Vec<depth::Point>> {
        depth::sample(&self.broker(), flow, points)
    }

    fn letters(&self, asked: &letter_list::Asked, window: &Window) -> Result<letter_list::List> {
        letter_list::look(&self.broker(), &self.topics, asked, window)
    }

    fn trail(&self, wanted: &trail::Wanted, window: &Window) -> Result<Page<Told>> {
        trail::look(&self.broker(), &self.topics, wanted, window)
    }

    fn answers(&self, target: &Target, command: &CommandId, bound: Bound) -> Result<Answers> {
        answered::look(&self.broker(), &self.topics, target, command, bound)
    }

    fn redrivable(&self, order: &redrive::Order, limit: Duration) -> Result<redrive::Report> {
        redrive::preview(&self.broker(), &self.topics, order, limit, &Meter::default())
    }

    fn redrive(&self, order: &redrive::Order, seen: &redrive::Seen) -> Result<redrive::Report> {
        let (broker, topics, meter) = (self.broker(), &self.topics, Meter::default());
        redrive::redrive(&broker, topics, order, seen, &self.clock, &meter, &mut |_| {})
    }
}
