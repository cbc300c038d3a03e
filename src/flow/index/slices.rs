//! The index of a flow that has more records than the budget has room for: one bit an entry, made in slices of the key space.
//!
//! Each slice takes two passes over the queue. The first learns the newest entry of each key in the slice; the second
//! marks the older ones.

use super::digest::Digest;
use super::entry::{Indexed, Outgrown, Read};
use super::known::Known;
use crate::flow::Queue;
use crate::mutant::{self, Mutant};

#[derive(Debug)]
pub(super) struct Slices {
    first: u64,
    last: u64,
    /// One bit an entry from `first` to `last`: replaced by another one of these.
    bits: Vec<u64>,
    /// Records whose digests have a high word from here on, and up to `reach` beyond it, are in the slice.
    from: u64,
    reach: u64,
    /// It had to be made narrower.
    narrowed: bool,
    pass: Pass,
    /// What this pass has seen up to.
    next: u64,
    slice: Known,
    /// Fed with what is held behind `last`. While the flow resumes only withdraws of that take the place of what lies before;
    /// while a paused flow is purged or sampled, newer events do so too.
    later: Known,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    Learn,
    Mark,
    Done,
}

impl Slices {
    /// Of what is held now. An index of all of it came as far as before `reached`.
    pub fn new(queue: &Queue, reached: u64) -> Self {
        let mut slices = Self::of(queue, u64::MAX);
        slices.next = reached;
        slices.narrow();
        slices
    }

    /// From the beginning, of what is held now.
    pub fn again(&self, queue: &Queue) -> Self {
        Self::of(queue, self.reach)
    }

    fn of(queue: &Queue, reach: u64) -> Self {
        let (first, last) = (queue.watermark.entry + 1, queue.last_entry());
        let entries = queue.next_entry.saturating_sub(first);
        let words = usize::try_from(entries.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            first,
            last,
            bits: vec![0; words],
            from: 0,
            reach,
            narrowed: false,
            pass: Pass::Learn,
            next: first,
            slice: Known::new(0),
            later: Known::exact(last + 1),
        }
    }

    pub fn is_done(&self) -> bool {
        self.pass == Pass::Done
    }

    /// Takes in the next entry of the queue; entries come in the order of their numbers in each pass.
    pub fn read(&mut self, entry: Indexed<'_>, room: &mut usize) -> Result<Read, Outgrown> {
        if self.is_done() || entry.number < self.next {
            return Ok(Read::On);
        }
        if entry.number <= self.last {
            let digest = Digest::of(entry.record);
            if digest.high >= self.from && digest.high - self.from <= self.reach {
                match self.pass {
                    // A single record cannot be split, and takes next to nothing.
                    Pass::Learn if self.reach == 0 => self.slice.feed(digest, entry, &mut { usize::MAX })?,
                    Pass::Learn => self.slice.feed(digest, entry, room)?,
                    Pass::Mark if self.slice.replaced(digest, entry) => self.mark(entry.number),
                    Pass::Mark | Pass::Done => {}
                }
            }
            self.next = entry.number + 1;
        }
        // The last one may be cleaned meanwhile: then one beyond it is there.
        if entry.number < self.last {
            return Ok(Read::On);
        }
        Ok(self.end_pass())
    }

    fn end_pass(&mut self) -> Read {
        self.next = self.first;
        let following = self.from.checked_add(self.reach).and_then(|to| to.checked_add(1));
        match (self.pass, following) {
            (Pass::Learn, _) => self.pass = Pass::Mark,
            (_, Some(following)) => {
                if mutant::is(Mutant::MarksOfASliceForgotten) {
                    self.bits.fill(0);
                }
                self.from = following;
                // Where records lie close together a slice has to be narrow; the next ones need not be.
                let next = if self.narrowed { self.reach } else { self.reach.saturating_mul(2) | 1 };
                self.reach = next.min(u64::MAX - following);
                self.narrowed = false;
                self.pass = Pass::Learn;
                self.slice = Known::new(0);
            }
            (_, None) => {
                self.pass = Pass::Done;
                self.slice = Known::new(0);
                return Read::Done;
            }
        }
        Read::Again
    }

    /// Begins the slice again with as much of the key space as may fit, judged by how far it came.
    pub fn narrow(&mut self) {
        let (done, all) = (self.next.saturating_sub(self.first), self.entries());
        let fits = u128::from(self.reach) * u128::from(done) / u128::from(all);
        self.narrowed = true;
        self.reach = u64::try_from(fits).unwrap_or(u64::MAX).clamp(self.reach / 16, self.reach / 2);
        self.slice = Known::new(0);
        self.next = self.first;
    }

    /// What is held behind its last entry.
    pub fn hold(&mut self, entry: Indexed<'_>, room: &mut usize) -> Result<(), Outgrown> {
        self.later.feed(Digest::of(entry.record), entry, room)
    }

    fn mark(&mut self, number: u64) {
        let Some(index) = number.checked_sub(self.first) else { return };
        if let Some(word) = usize::try_from(index / 64).ok().and_then(|word| self.bits.get_mut(word)) {
            *word |= 1 << (index % 64);
        }
    }

    pub fn replaced(&self, entry: Indexed<'_>) -> bool {
        let index = entry.number.checked_sub(self.first);
        let word = index.and_then(|index| self.bits.get(usize::try_from(index / 64).ok()?));
        let marked = word.zip(index).is_some_and(|(word, index)| word >> (index % 64) & 1 == 1);
        marked || !self.later.is_silent() && self.later.replaced(Digest::of(entry.record), entry)
    }

    fn entries(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first).max(1)
    }

    /// Entries that are still to be read, about: in all passes over them.
    pub fn remaining(&self) -> u64 {
        if self.is_done() {
            return 0;
        }
        let slices = (u64::MAX - self.from) / self.reach.saturating_add(1) + 1;
        let passes = slices.saturating_mul(2) - u64::from(self.pass == Pass::Mark);
        passes.saturating_mul(self.entries()).saturating_sub(self.next.saturating_sub(self.first))
    }

    pub fn bytes_of_slice(&self) -> usize {
        self.slice.bytes()
    }

    pub fn bytes_of_later(&self) -> usize {
        self.later.bytes()
    }

    pub fn bytes_of_bits(&self) -> usize {
        self.bits.capacity() * size_of::<u64>()
    }
}
