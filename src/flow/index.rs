//! Which held entries a newer one has replaced.
//!
//! That needs the future of an entry, and must cost neither memory nor a wait. So the index is fed every entry as it is
//! held. Most keys come once: those cost some bits in a growing Bloom filter. Only a key that may have come before goes
//! into an exact map, with the number of its newest entry.
//!
//! # How a worker keeps the index of a flow
//!
//! 1. **Feeding.** Every entry is given to [`Index::hold`] once, in the order of the numbers, withdraws among them, also
//!    while the flow drains, and only when the transaction that holds it is known to have committed: the numbers of an
//!    aborted turn come again for other records, and an index that had seen them would replace what nothing replaced.
//!    (A turn's backlog comes before its events: no entry of the same turn is needed to judge it.)
//! 2. **A new index.** When the first entry of a wholly passed queue is held: `Index::new(number)`. It is ready.
//! 3. **After a take-over**, with entries not passed: [`Index::behind`]. It is *rebuilt*: the worker reads the queue topic
//!    from `watermark.offset` on with isolation `read_committed`, and gives every survivor to [`Index::read`], until it
//!    has caught up with the newest committed entry. Until then it takes live entries too from the topic alone, for a key
//!    that is fed out of order is lost: `hold` does nothing. An entry may be read that the worker does not know to be
//!    committed yet; when it is held, it is passed over. This happens in the background while the flow is paused.
//! 4. **Drains.** What is not [ready](Index::is_ready) passes nothing: a drain waits for the rebuild, and *reads* only
//!    then what it passes. (An entry that the cleaner took before the rebuild came to it is unknown to the index, although
//!    it was replaced. Who had read it before would pass it on.) An entry is replaced if [`Index::replaced`] says so.
//! 5. **The budget** is one for all flows of a worker, Bloom filters and maps together, and is looked at before one of
//!    them grows: an entry for which there is no room is not fed ([`Outgrown`]). The worker then makes room by dropping
//!    larger indexes, or tells the index that there is none ([`Index::no_room_to_hold`], [`Index::no_room_to_read`]):
//!    - while the flow is paused, the index is *put off*: it knows nothing, and is not rebuilt over and over;
//!    - when the flow resumes ([`Index::resume`]) it is rebuilt from the watermark like any other;
//!    - if it outgrows the budget then, too, it is made in *slices* of the key space: one bit an entry up to the newest one
//!      of that moment, two passes over the topic a slice. No pass depends on another one seeing the same entries:
//!      the cleaner may work between them.
//! 6. **While it drains** nothing supersedes but withdraws, and while a paused flow is purged or sampled, newer events. What is
//!    held after the last entry of the slices is fed to an index beside the bits, which knows each of its keys exactly. If
//!    there is no room for it, the slices are begun again from the watermark as it is then.
//! 7. **A pause that passes nothing** ([`Index::pause`]) ends slices: what comes in days of it would make that second index
//!    as large as the first would have been. It is rebuilt again. An index that is ready otherwise stays good.
//! 8. **An abort** leaves it as it is: nothing was held, only committed entries are read, and it is not told of a resume,
//!    a re-pause or a drain's end before that is committed.
//! 9. **Reading again** after a fault may begin anywhere at or before the next entry: what was read is passed over. Where
//!    the index begins anew ([`Read::Again`], or one of 5 to 7), reading begins at the watermark.
//!
//! `tests/model.rs` has a worker that goes by this page, with drops, take-overs, re-pauses and a cleaner at any moment.

mod bloom;
mod digest;
mod entry;
mod known;
mod slices;

use digest::Digest;
pub use entry::{Indexed, Outgrown, Read};
use known::Known;
use slices::Slices;

use super::Queue;
use crate::mutant::{self, Mutant};

/// The index of one flow.
#[derive(Debug)]
pub struct Index {
    known: Known,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// It is fed what is held, and knows everything after the watermark.
    Ready,
    /// It is fed what is read of the queue topic.
    Behind,
    /// It knows nothing, for want of room.
    PutOff,
    Sliced(Box<Slices>),
}

impl Index {
    /// An index of the entries from `first` on, before which nothing is left to pass.
    #[must_use]
    pub fn new(first: u64) -> Self {
        Self { known: Known::new(first), way: Way::Ready }
    }

    /// An index of what was held before it was made.
    #[must_use]
    pub fn behind(queue: &Queue) -> Self {
        match queue.is_passed() {
            true => Self::new(queue.next_entry),
            false => Self { known: Known::new(queue.watermark.entry + 1), way: Way::Behind },
        }
    }

    /// Whether [`Index::replaced`] knows everything; else nothing must be passed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.way {
            Way::Ready => true,
            Way::Behind | Way::PutOff => false,
            Way::Sliced(slices) => slices.is_done(),
        }
    }

    /// Whether it wants the queue topic to be read.
    #[must_use]
    pub fn reads(&self) -> bool {
        !self.is_ready() && !self.is_put_off()
    }

    #[must_use]
    pub fn is_put_off(&self) -> bool {
        matches!(self.way, Way::PutOff)
    }

    /// Whether it is made in slices, done or not.
    #[must_use]
    pub fn is_sliced(&self) -> bool {
        matches!(self.way, Way::Sliced(_))
    }

    /// Whether it is being made in slices.
    #[must_use]
    pub fn is_slicing(&self) -> bool {
        matches!(&self.way, Way::Sliced(slices) if !slices.is_done())
    }

    /// Takes in an entry that is held, its transaction having committed; what it grows by it takes from `room`.
    ///
    /// # Errors
    /// [`Outgrown`]: there is no room for it, and it was not taken in.
    pub fn hold(&mut self, entry: Indexed<'_>, room: &mut usize) -> Result<(), Outgrown> {
        match &mut self.way {
            Way::Ready => self.known.feed(Digest::of(entry.record), entry, room),
            Way::Behind if mutant::is(Mutant::LiveEntryFedToAnIndexThatIsBehind) => {
                self.known.feed(Digest::of(entry.record), entry, room)
            }
            Way::Behind | Way::PutOff => Ok(()),
            Way::Sliced(slices) => slices.hold(entry, room),
        }
    }

    /// Takes in the next entry of the queue topic; `last` is the newest one that is known to be committed.
    ///
    /// # Errors
    /// [`Outgrown`]: there is no room for it, and it was not taken in.
    pub fn read(&mut self, entry: Indexed<'_>, last: u64, room: &mut usize) -> Result<Read, Outgrown> {
        match &mut self.way {
            Way::Ready | Way::PutOff => Ok(Read::On),
            Way::Sliced(slices) => slices.read(entry, room),
            Way::Behind => {
                self.known.feed(Digest::of(entry.record), entry, room)?;
                let early = u64::from(mutant::is(Mutant::IndexReadyOneEntryTooEarly));
                if self.known.next + early <= last {
                    return Ok(Read::On);
                }
                self.way = Way::Ready;
                Ok(Read::Done)
            }
        }
    }

    /// There is no room for an entry of `queue` that was held. If it is needed now, for entries are passed, the index begins
    /// again, and that entry comes from the topic then.
    pub fn no_room_to_hold(&mut self, queue: &Queue, passes: bool) {
        match &mut self.way {
            Way::Behind | Way::PutOff => {}
            Way::Ready if passes => *self = Self::behind(queue),
            Way::Ready => self.put_off(),
            Way::Sliced(slices) => **slices = slices.again(queue),
        }
    }

    /// There is no room for an entry that was read. `may_slice`: it is needed now, and may be made in slices.
    pub fn no_room_to_read(&mut self, queue: &Queue, may_slice: bool) {
        match &mut self.way {
            Way::Sliced(slices) => slices.narrow(),
            Way::Behind if may_slice => {
                let slices = Slices::new(queue, self.known.next);
                *self = Self { known: Known::new(0), way: Way::Sliced(Box::new(slices)) };
            }
            Way::Ready | Way::Behind | Way::PutOff => self.put_off(),
        }
    }

    /// Forgets everything, for want of room, until something of the flow is to be passed.
    pub fn put_off(&mut self) {
        *self = Self { known: Known::new(0), way: Way::PutOff };
    }

    /// Something is to be passed: it is needed now.
    pub fn resume(&mut self, queue: &Queue) {
        if self.is_put_off() {
            *self = Self::behind(queue);
        }
    }

    /// The flow is paused, and nothing of it is to be passed.
    pub fn pause(&mut self, queue: &Queue) {
        if self.is_sliced() {
            *self = Self::behind(queue);
        }
    }

    /// Whether something newer has taken the place of this entry. What it says is true always, and all that is to be
    /// said when it is ready.
    #[must_use]
    pub fn replaced(&self, entry: Indexed<'_>) -> bool {
        match &self.way {
            Way::Sliced(slices) => slices.replaced(entry),
            Way::Ready | Way::Behind | Way::PutOff => {
                !self.known.is_silent() && self.known.replaced(Digest::of(entry.record), entry)
            }
        }
    }

    /// Entries that are still to be read before it is ready, about.
    #[must_use]
    pub fn remaining(&self, queue: &Queue) -> u64 {
        match &self.way {
            Way::Ready => 0,
            Way::PutOff => queue.last_entry().saturating_sub(queue.watermark.entry),
            Way::Behind => queue.next_entry.saturating_sub(self.known.next),
            Way::Sliced(slices) => slices.remaining(),
        }
    }

    /// What of the budget it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.way {
            Way::Sliced(slices) => slices.bytes_of_slice() + slices.bytes_of_later() + slices.bytes_of_bits(),
            Way::Ready | Way::Behind | Way::PutOff => self.known.bytes(),
        }
    }

    /// What it may still grow by with what is held, of `free` bytes of the budget. One that is made in slices has `least` in any
    /// case.
    #[must_use]
    pub fn room_to_hold(&self, free: usize, least: usize) -> usize {
        self.room(free, least, Slices::bytes_of_later)
    }

    /// The same with what is read. A slice has `least` for itself, whatever was held meanwhile: the fewer slices there are, the
    /// sooner it is done, and slices without room would be a single record each.
    #[must_use]
    pub fn room_to_read(&self, free: usize, least: usize) -> usize {
        self.room(free, least, Slices::bytes_of_slice)
    }

    fn room(&self, free: usize, least: usize, taken: impl FnOnce(&Slices) -> usize) -> usize {
        match &self.way {
            Way::Sliced(slices) => free.max(least.saturating_sub(taken(slices))),
            Way::Ready | Way::Behind | Way::PutOff => free,
        }
    }
}

#[cfg(test)]
mod tests;
