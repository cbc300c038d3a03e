//! What a worker knows of a flow beside what is committed, and loses with it: which entries are replaced.

use flowgate::flow::index::{Index, Read};
use flowgate::flow::{Flow, State};

use super::log::{Entry, Log};

/// Kept as `flow::index` tells a worker to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recall {
    /// The index is fed with the entries from this one on, as they are held.
    from: u64,
    /// While entries are passed: the entries that slices found replaced, a bit each; none where the index is enough.
    swept: Option<u64>,
}

impl Recall {
    /// Of a new owner: an index that begins with the next entry.
    pub fn new(log: &Log, cleaned: u64) -> Self {
        Self { from: log.next_entry(), swept: None }.after(log, cleaned)
    }

    /// When a turn that made this log is committed.
    pub fn after(&self, log: &Log, cleaned: u64) -> Self {
        match log.flow.as_ref().map(|flow| &flow.state) {
            None | Some(State::Live) => Self { from: log.next_entry(), swept: None },
            // What comes meanwhile replaces what is left: it is looked at anew.
            Some(State::Paused(_)) => {
                let passes = log.flow.as_ref().is_some_and(Flow::passes);
                Self { swept: passes.then(|| self.sliced(log, cleaned)), ..*self }
            }
            Some(State::Resuming { .. }) => {
                Self { swept: self.swept.or_else(|| Some(self.sliced(log, cleaned))), ..*self }
            }
        }
    }

    /// Whether entries are passed, so that they have been read back.
    pub fn drains(&self) -> bool {
        self.swept.is_some()
    }

    /// What an index finds that has no room, so that it is made in as many slices as there can be.
    fn sliced(&self, log: &Log, cleaned: u64) -> u64 {
        let Some(queue) = log.flow.as_ref().map(|flow| &flow.queue) else { return 0 };
        if self.from <= queue.watermark.entry + 1 {
            return 0;
        }
        let mut index = Index::behind(queue);
        index.no_room_to_read(queue, true);
        while !index.is_ready() {
            for entry in log.unread(cleaned) {
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
        log.unread(cleaned)
            .filter(|entry| index.replaced(entry.indexed()))
            .map(|entry| 1 << entry.survivor.number)
            .sum()
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
