//! Topics read for whoever asks over HTTP: each time with a reader of its own, on a thread that no worker waits for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::broker::{Broker, Result};
use crate::client::scan::{Bound, First, Marks};
use crate::client::{depth, held, letters, redrive, trail};
use crate::flow::Flow;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// What is looked through, and how far.
#[derive(Clone, Debug)]
pub struct Window {
    pub first: First,
    /// Of what is found.
    pub limit: usize,
    /// What the broker had stored before is left out.
    pub since: Option<Timestamp>,
    /// Where an earlier look has stopped.
    pub from: Option<Marks>,
    pub bound: Bound,
}

/// All of these block.
pub trait Reads: Send + Sync {
    /// # Errors
    /// As [`held::look`].
    fn held(&self, flow: &Flow, wanted: &held::Wanted, window: &Window) -> Result<held::Page>;

    /// # Errors
    /// As [`depth::sample`].
    fn depth(&self, flow: &Flow, points: u32) -> Result<Vec<depth::Point>>;

    /// # Errors
    /// As [`letters::look`].
    fn letters(&self, kind: letters::Kind, wanted: &letters::Wanted, window: &Window) -> Result<letters::Page>;

    /// # Errors
    /// As [`trail::look`].
    fn trail(&self, wanted: &trail::Wanted, window: &Window) -> Result<trail::Page>;

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
}

impl<B: Broker> Reading<B> {
    pub fn new(broker: B, topics: Topics) -> Self {
        Self { broker: Mutex::new(broker), topics }
    }

    fn broker(&self) -> B {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<B: Broker + Send> Reads for Reading<B> {
    fn held(&self, flow: &Flow, wanted: &held::Wanted, window: &Window) -> Result<held::Page> {
        let Window { first, limit, from, bound, .. } = window;
        held::look(&self.broker(), flow, wanted, (*first, *limit), from.as_ref(), *bound)
    }

    fn depth(&self, flow: &Flow, points: u32) -> Result<Vec<depth::Point>> {
        depth::sample(&self.broker(), flow, points)
    }

    fn letters(&self, kind: letters::Kind, wanted: &letters::Wanted, window: &Window) -> Result<letters::Page> {
        let Window { first, limit, since, from, bound } = window;
        letters::look(&self.broker(), (&self.topics, kind), wanted, (*first, *limit), *since, from.as_ref(), *bound)
    }

    fn trail(&self, wanted: &trail::Wanted, window: &Window) -> Result<trail::Page> {
        let Window { first, limit, since, from, bound } = window;
        trail::look(&self.broker(), &self.topics, wanted, (*first, *limit), *since, from.as_ref(), *bound)
    }

    fn redrivable(&self, order: &redrive::Order, limit: Duration) -> Result<redrive::Report> {
        redrive::preview(&self.broker(), &self.topics, order, limit)
    }

    fn redrive(&self, order: &redrive::Order, seen: &redrive::Seen) -> Result<redrive::Report> {
        redrive::redrive(&self.broker(), &self.topics, order, seen, &mut |_| {})
    }
}
