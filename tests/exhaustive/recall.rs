//! What a worker knows of a flow beside what is committed, and loses with it: which entries are replaced, and what was found
//! of named records.

use flowgate::flow::index::{Index, Read};
use flowgate::flow::{Flow, State};

use super::log::{Entry, Log};
use super::missing::Missing;
use super::search::Search;

/// Kept as `flow::index` tells a worker to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recall {
    /// The index is fed with the entries from this one on, as they are held.
    from: u64,
    /// While entries are passed: the entries that slices found replaced, a bit each; none where the index is enough.
    swept: Option<u64>,
    /// While records that a sample names are looked for.
    pub search: Option<Search>,
}

impl Recall {
    /// Of a new owner: an index that begins with the next entry.
    pub fn new(log: &Log, missing: Missing) -> Self {
        Self { from: log.next_entry(), swept: None, search: None }.after(log, missing)
    }

    /// When a turn that made this log is committed.
    pub fn after(&self, log: &Log, missing: Missing) -> Self {
        let from = self.from;
        match log.flow.as_ref().map(|flow| &flow.state) {
            None | Some(State::Live) => Self { from: log.next_entry(), swept: None, search: None },
            // What comes meanwhile replaces what is left: it is looked at anew.
            Some(State::Paused(_)) => {
                let passes = log.flow.as_ref().is_some_and(Flow::passes);
                let swept = if passes { self.sliced(log, missing) } else { None };
                Self { from, swept, search: Search::after(self.search.as_ref(), log, missing) }
            }
            Some(State::Resuming { .. }) => {
                Self { from, swept: self.swept.or_else(|| self.sliced(log, missing)), search: None }
            }
        }
    }

    /// Whether entries are passed, so that they have been read back.
    pub fn drains(&self) -> bool {
        self.swept.is_some()
    }

    /// What an index finds that has no room, so that it is made in as many slices as there can be. `None`: what is to be read
    /// was deleted.
    fn sliced(&self, log: &Log, missing: Missing) -> Option<u64> {
        let queue = &log.flow.as_ref()?.queue;
        if missing.blocks(queue.watermark.entry) {
            return None;
        }
        if self.from <= queue.watermark.entry + 1 {
            return Some(0);
        }
        let mut index = Index::behind(queue);
        index.no_room_to_read(queue, true);
        while !index.is_ready() {
            for entry in log.unread(missing) {
                match index.read(entry.indexed(), queue.last_entry(), &mut index.room_to_read(0, 256)) {
                    Ok(Read::On) => {}
                    Ok(Read::Again | Read::Done) => break,
                    Err(_) => {
                        index.no_room_to_read(queue, true);
                        break;
                    }
                }
            }
        }
        let replaced = log.unread(missing).filter(|entry| index.replaced(entry.indexed()));
        Some(replaced.map(|entry| 1 << entry.survivor.number).sum())
    }

    /// Which entries are replaced. The cleaner does not matter: they were fed as they were held.
    pub fn judge(&self, queue: &[Entry]) -> impl Fn(&Entry) -> bool + use<> {
        let mut index = Index::new(self.from);
        let fed = queue.iter().filter(|entry| entry.survivor.number >= self.from);
        fed.for_each(|entry| index.hold(entry.indexed(), &mut { usize::MAX }).unwrap());
        let swept = self.swept.unwrap_or_default();
        move |entry| entry.is_in(swept) || index.replaced(entry.indexed())
    }
}
