//! What is new, as it comes in: flows that have changed, and what the audit tells. The newest news are kept, so that a reader
//! who was away for a moment can go on where it was.
//!
//! Of a flow only its id is kept: whoever shows it looks it up, and shows it as it is then.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{mpsc, watch};

use super::lock::lock;
use crate::client::audited::Told;
use crate::flow::{Command, CommandId, FlowId, Happening, Target};

/// How many news are kept, and how many bytes of documents at most.
const KEPT: usize = 10_000;
const BYTES: usize = 8 * 1024 * 1024;

/// Answers that one request may leave unread: a command for every flow has one of each partition.
const ANSWERS: usize = 4096;

#[derive(Clone, Debug)]
pub enum News {
    Changed(FlowId),
    /// Its state was taken away.
    Gone(String),
    Audit(Arc<Told>),
}

impl News {
    fn bytes(&self) -> usize {
        match self {
            Self::Changed(_) => 0,
            Self::Gone(id) => id.len(),
            Self::Audit(told) => told.document.len(),
        }
    }
}

type Key = (Target, CommandId);

pub struct Feed {
    ring: Mutex<Ring>,
    /// The number that the next news get.
    end: watch::Sender<u64>,
    waiting: Mutex<Waiting>,
    hears: AtomicBool,
    /// Tells the numbers of this process from those of others.
    pub run: String,
}

#[derive(Default)]
struct Ring {
    news: VecDeque<News>,
    /// The number of the first of them.
    first: u64,
    bytes: usize,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    by_key: HashMap<Key, Vec<Waits>>,
}

/// One who waits, by its number.
struct Waits {
    number: u64,
    answers: mpsc::Sender<Arc<Told>>,
}

impl Default for Feed {
    fn default() -> Self {
        let (ring, waiting) = (Mutex::default(), Mutex::default());
        // Every process seeds its hashers differently.
        let run = format!("{:016x}", RandomState::new().build_hasher().finish());
        Self { ring, end: watch::Sender::new(0), waiting, hears: AtomicBool::new(false), run }
    }
}

impl Feed {
    /// The audit is heard: an answer to what is sent from now on is not missed.
    pub fn hears(&self) {
        self.hears.store(true, Ordering::Release);
    }

    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.hears.load(Ordering::Acquire)
    }

    /// Takes in what the audit tells, and gives answers to whoever waits for them.
    pub fn tell(&self, told: Vec<Told>) {
        let told: Vec<Arc<Told>> = told.into_iter().map(Arc::new).collect();
        let waiting = lock(&self.waiting);
        for told in &told {
            let Some(Happening::Answer { command, .. }) = told.event.happening() else { continue };
            let Some(all) = waiting.by_key.get(&(command.target.clone(), command.id.clone())) else { continue };
            for waits in all {
                // Whoever does not read its answers in time has stopped waiting.
                let _ = waits.answers.try_send(Arc::clone(told));
            }
        }
        drop(waiting);
        self.add(told.into_iter().map(News::Audit));
    }

    /// Takes in news.
    pub fn add(&self, news: impl Iterator<Item = News>) {
        let mut ring = lock(&self.ring);
        let before = ring.news.len();
        for news in news {
            ring.bytes += news.bytes();
            ring.news.push_back(news);
        }
        if ring.news.len() == before {
            return;
        }
        while ring.news.len() > KEPT || ring.bytes > BYTES {
            ring.drop_first();
        }
        self.give_out(&ring);
    }

    /// Nobody can go on: something may have been missed.
    pub fn break_off(&self) {
        let mut ring = lock(&self.ring);
        // The number of what was missed.
        let end = ring.end() + 1;
        *ring = Ring { first: end, ..Ring::default() };
        self.give_out(&ring);
    }

    /// Says how far the news go; under the lock of the ring, for the end of one who has added before must not come after ours:
    /// a reader who is told an earlier end than it has read would be sent away.
    fn give_out(&self, ring: &MutexGuard<'_, Ring>) {
        self.end.send_replace(ring.end());
    }

    /// The news from a number on, a few at most; `None` if some of them are gone, or the number was never given out.
    #[must_use]
    pub fn from(&self, number: u64, most: usize) -> Option<Vec<News>> {
        let ring = lock(&self.ring);
        let skip = usize::try_from(number.checked_sub(ring.first)?).ok()?;
        (skip <= ring.news.len()).then(|| ring.news.iter().skip(skip).take(most).cloned().collect())
    }

    /// The number that the next news get, and is told when there are some.
    #[must_use]
    pub fn end(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }

    /// Waits for the answers to these commands. To be called before they are sent.
    #[must_use]
    pub fn await_answers(self: &Arc<Self>, commands: &[Command]) -> Awaited {
        let (sender, answers) = mpsc::channel(ANSWERS);
        let keys: Vec<Key> = commands.iter().map(|command| (command.target.clone(), command.id.clone())).collect();
        let mut waiting = lock(&self.waiting);
        let number = waiting.next;
        waiting.next += 1;
        for key in &keys {
            waiting.by_key.entry(key.clone()).or_default().push(Waits { number, answers: sender.clone() });
        }
        drop(waiting);
        Awaited { feed: Arc::clone(self), keys, number, answers }
    }
}

impl Ring {
    fn end(&self) -> u64 {
        self.first + self.news.len() as u64
    }

    fn drop_first(&mut self) {
        if let Some(news) = self.news.pop_front() {
            self.first += 1;
            self.bytes -= news.bytes();
        }
    }
}

/// Somebody who waits for answers.
pub struct Awaited {
    feed: Arc<Feed>,
    keys: Vec<Key>,
    number: u64,
    answers: mpsc::Receiver<Arc<Told>>,
}

impl Awaited {
    /// The next answer to one of the commands.
    pub async fn next(&mut self) -> Option<Arc<Told>> {
        self.answers.recv().await
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let mut waiting = lock(&self.feed.waiting);
        for key in self.keys.drain(..) {
            if let Entry::Occupied(mut all) = waiting.by_key.entry(key) {
                all.get_mut().retain(|waits| waits.number != self.number);
                if all.get().is_empty() {
                    all.remove();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(feed: &Feed, ids: std::ops::Range<usize>) {
        feed.add(ids.map(|id| News::Changed(FlowId::new(&id.to_string()).unwrap())));
    }

    fn ids(news: &[News]) -> Vec<String> {
        let id = |news: &News| match news {
            News::Changed(id) => id.to_string(),
            other => panic!("{other:?}"),
        };
        news.iter().map(id).collect()
    }

    #[test]
    fn a_reader_goes_on_while_what_it_has_not_read_is_kept() {
        let feed = Feed::default();
        assert!(feed.from(0, 10).unwrap().is_empty());
        assert!(feed.from(1, 10).is_none(), "never given out");
        changed(&feed, 0..5);
        assert_eq!(ids(&feed.from(1, 2).unwrap()), ["1", "2"]);
        assert!(feed.from(5, 2).unwrap().is_empty());
        changed(&feed, 5..KEPT + 2);
        assert!(feed.from(1, 1).is_none(), "gone");
        assert_eq!(ids(&feed.from(2, 1).unwrap()), ["2"]);
        assert_eq!(*feed.end().borrow(), KEPT as u64 + 2);
    }

    #[test]
    fn after_a_break_nobody_goes_on() {
        let feed = Feed::default();
        changed(&feed, 0..3);
        feed.break_off();
        assert!((0..=3).all(|number| feed.from(number, 1).is_none()));
        let end = *feed.end().borrow();
        assert!(feed.from(end, 1).unwrap().is_empty());
        changed(&feed, 7..8);
        assert_eq!(ids(&feed.from(end, 1).unwrap()), ["7"]);
    }
}
