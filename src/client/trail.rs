//! The audit, looked through and followed.

use std::collections::HashMap;

use super::audited::{Ordered, Told};
use super::folded::{Fold, Line};
use super::listener::Listener;
use super::no_topic;
use super::scan::{Marks, PAGE_BYTES, Page, Scan, Window};
use crate::broker::murmur2::partition_for;
use crate::broker::{Admin, Broker, Result};
use crate::flow::{FlowId, Happening};
use crate::schema::topics::Topics;

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub flow: Option<FlowId>,
    /// Who issued the command, or redrove the letter: transitions do not say so.
    pub by: Option<String>,
    /// One of [`super::audited::Audited::WORDS`].
    pub event: Option<String>,
    /// The command that an event answers, or whose end it tells.
    pub command: Option<String>,
}

impl Wanted {
    #[must_use]
    pub fn fits(&self, told: &Told) -> bool {
        let event = &told.event;
        self.flow.as_ref().is_none_or(|flow| event.flow() == Some(flow))
            && self.by.as_ref().is_none_or(|wanted| event.by() == Some(wanted))
            && self.event.as_ref().is_none_or(|word| word == event.word())
            && self.command.as_ref().is_none_or(|id| event.command().is_some_and(|command| command.as_str() == id))
    }

    /// The only partition that can have such events; `None`: any may.
    fn partition<B: Broker>(&self, broker: &B, topics: &Topics) -> Result<Option<i32>> {
        let Some(flow) = &self.flow else { return Ok(None) };
        let count = broker.admin()?.partitions(&topics.audit)?.ok_or_else(|| no_topic(&topics.audit))?;
        Ok(Some(partition_for(flow.as_str().as_bytes(), count)))
    }
}

/// Looks through the audit.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::TimedOut`] if nothing could be read in time.
pub fn look<B: Broker>(broker: &B, topics: &Topics, wanted: &Wanted, window: &Window) -> Result<Page<Told>> {
    let mut looking = Looking::open(broker, topics, wanted, window)?;
    let (mut events, mut bytes) = (Vec::new(), 0);
    while events.len() < window.limit && bytes < PAGE_BYTES {
        let Some(told) = looking.next()? else { break };
        bytes += told.document.len();
        events.push(told);
    }
    events.iter_mut().for_each(|told| looking.answers.tell(told));
    Ok(looking.scan.page(events))
}

/// The same as lines, of which there are as many as the window allows: however many letters a redrive has, it takes one. There is
/// no going on behind such a page.
///
/// # Errors
/// As [`look`].
pub fn lines<B: Broker>(broker: &B, topics: &Topics, wanted: &Wanted, window: &Window) -> Result<Page<Line>> {
    let mut looking = Looking::open(broker, topics, wanted, window)?;
    let (mut lines, mut bytes, mut fold) = (Vec::new(), 0, Fold::new(window.first));
    // One that belongs to no line of this page: it was looked at for the end of the last one.
    let mut is_beyond = false;
    while bytes < PAGE_BYTES && (lines.len() < window.limit || fold.is_open()) {
        let Some(told) = looking.next()? else { break };
        let fits = fold.fits(&told);
        if !fits && lines.len() + usize::from(fold.is_open()) >= window.limit {
            is_beyond = true;
            break;
        }
        bytes += if fits { 0 } else { told.document.len() };
        fold.add(told, &mut lines);
    }
    let mut progress = looking.scan.progress();
    let is_cut = !is_beyond && !progress.is_whole;
    progress.is_whole &= !is_beyond;
    lines.extend(fold.close());
    if let Some(Line::Redrive(run)) = lines.last_mut() {
        run.is_cut = is_cut;
    }
    for line in &mut lines {
        if let Line::Event(told) = line {
            looking.answers.tell(told);
        }
    }
    Ok(Page { found: lines, progress, next: None })
}

/// The events that are wanted, with whose commands they are of.
struct Looking<'a, B: Broker> {
    scan: Scan<B, Told>,
    answers: Answers,
    wanted: &'a Wanted,
}

impl<'a, B: Broker> Looking<'a, B> {
    fn open(broker: &B, topics: &Topics, wanted: &'a Wanted, window: &Window) -> Result<Self> {
        let only = wanted.partition(broker, topics)?;
        let scan = Scan::through(broker, &topics.audit, only.as_ref().map(std::slice::from_ref), window)?;
        Ok(Self { scan, answers: Answers::default(), wanted })
    }

    fn next(&mut self) -> Result<Option<Told>> {
        let Self { scan, answers, wanted } = self;
        let found = scan.next(|record| answers.hear(Told::read(record).ok().flatten()?, wanted))?;
        Ok(found.map(|found| {
            let mut told = found.what;
            // Older answers may push it out before all is read.
            answers.tell(&mut told);
            told
        }))
    }
}

/// Whose commands have been answered, by where these stand in the control topic. The answer to a command stands behind the
/// transition that it caused, in the same partition.
#[derive(Default)]
struct Answers(HashMap<i64, Ordered>);

impl Answers {
    /// How many are remembered: those of the largest step of a scan have room.
    const MOST: usize = 100_000;

    /// The event, if it is wanted.
    fn hear(&mut self, told: Told, wanted: &Wanted) -> Option<Told> {
        if let Some(Happening::Answer { command, offset, .. }) = told.event.happening() {
            if self.0.len() >= Self::MOST {
                self.0.clear();
            }
            let (by, reason) = (command.issued_by.clone(), command.reason.clone());
            self.0.insert(*offset, Ordered { command: command.id.clone(), by, reason });
        }
        wanted.fits(&told).then_some(told)
    }

    fn tell(&self, told: &mut Told) {
        if let Some(Happening::Transition { command: Some(offset), .. }) = told.event.happening()
            && told.ordered.is_none()
        {
            told.ordered = self.0.get(offset).cloned();
        }
    }
}

/// Hears those of the audit's events that are wanted, from its end on.
pub struct Follower<B: Broker> {
    listener: Listener<B>,
    wanted: Wanted,
    began_at: Marks,
    answers: Answers,
}

impl<B: Broker> Follower<B> {
    /// # Errors
    /// Of the broker; [`crate::broker::Code::UnknownTopic`] if there is no audit.
    pub fn from_now_on(broker: &B, topics: &Topics, wanted: Wanted) -> Result<Self> {
        let only = wanted.partition(broker, topics)?;
        let listener = Listener::open(broker, topics, only.as_ref().map(std::slice::from_ref), &Marks::new())?;
        let began_at = listener.places().clone();
        Ok(Self { listener, wanted, began_at, answers: Answers::default() })
    }

    /// Where it has begun: a look from the newest that goes on there ends just before what this brings.
    #[must_use]
    pub fn began_at(&self) -> &Marks {
        &self.began_at
    }

    /// What has come since, in the order of time; waits a moment if that is nothing.
    ///
    /// # Errors
    /// Of the broker, but not those that pass.
    pub fn poll(&mut self) -> Result<Vec<Told>> {
        let Self { listener, wanted, answers, .. } = self;
        let told = listener.read()?.into_iter();
        let mut events: Vec<Told> = told.filter_map(|told| answers.hear(told, wanted)).collect();
        events.iter_mut().for_each(|told| answers.tell(told));
        Ok(events)
    }
}
