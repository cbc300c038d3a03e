//! Which held entries a newer one has replaced.
//!
//! That needs the future of an entry, and must cost neither memory nor a wait. Two ways lead to it:
//! - [`Index`] is fed every entry as it is held. Most keys come once: those cost some bits in a growing Bloom filter. Only
//!   a key that may have come before goes into an exact map.
//! - [`Sweep`] makes it anew from the queue topic, after a take-over or when the map outgrew its budget: in slices of
//!   the key space, as many passes over the topic as the budget asks for, one bit an entry.
//!
//! # How a worker puts the two together
//!
//! What either says is true as long as each was fed rightly; what each does not say is the question. One flow has one
//! index, always, and a sweep while it drains, perhaps. An entry is replaced if
//! `sweep.replaced(number) || index.replaced(entry)`.
//!
//! 1. **Feeding.** Every entry is fed to the index once, in the order of the numbers, withdraws among them, also while
//!    the flow drains, and only when the transaction that holds it is known to have committed: the numbers of an aborted
//!    turn come again for other records, and an index that had seen them would replace what nothing replaced. (A turn's
//!    backlog comes before its events: no entry of the same turn is needed to judge it.)
//! 2. **A new index.** When the first entry of a wholly passed queue is held: `Index::new(number)`. It covers
//!    everything.
//! 3. **Over the budget** ([`Index::bytes`]): replace it by `Index::new(queue.next_entry)` of the committed state and feed
//!    that. It no longer covers what is held.
//! 4. **After a take-over**, with entries not passed, either `Index::new(watermark.entry + 1)`, fed with every survivor
//!    of the queue topic from `watermark.offset` on *until it has caught up with the newest committed entry*, and only
//!    then with what is held live (while it is behind, it takes the live entries too from the topic: a key fed out of
//!    order is lost to the index); or `Index::new(queue.next_entry)` at once, as in 3.
//! 5. **When a drain starts**, or is found running after a take-over: if [`Index::covers`] the watermark, the index
//!    alone is enough. Else `Sweep::new(watermark.entry, queue.last_entry(), budget)` of the committed state, whose passes
//!    each read the topic from `watermark.offset` with isolation `read_committed`, up to the first entry at or beyond
//!    [`Sweep::last`] (that one may be cleaned meanwhile). Nothing is passed until it is done. No pass depends on another
//!    one seeing the same entries: the cleaner may work between them.
//! 6. **While it drains** nothing supersedes but withdraws: those up to [`Sweep::last`] are in the sweep's bits, the later
//!    ones in the index, for it was fed from `last + 1` at the latest. That is why both are asked, and why an
//!    index has to stand beside every sweep. If that index outgrows its budget too (withdraws alone can do that), both
//!    are thrown away, and 3 and 5 start over from the watermark as it is then.
//! 7. **A re-pause** ends the sweep: under `keep: latest` what comes now supersedes what is left, and neither a sweep
//!    that ended before nor an index that starts in between can know (it takes the first one of a key for the only
//!    one). An index that covers the watermark stays good, since it saw both. The next drain starts at 5.
//! 8. **An abort** leaves both as they are: the index was not fed, a sweep reads committed entries only, and neither is
//!    made or thrown away on account of a resume, a re-pause or a drain's end before that is committed.
//!
//! `tests/model.rs` has a worker that goes by this page, with drops, take-overs, re-pauses and a cleaner at any moment.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use fastbloom::BloomFilter;
use sha2::{Digest, Sha256};

use super::{Kind, RecordId};
use crate::mutant::{self, Mutant};

/// What the index needs to know of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Indexed<'a> {
    pub number: u64,
    pub kind: Kind,
    pub record: &'a RecordId,
    /// Superseded by a later entry of its record and kind that is `latest` too.
    pub latest: bool,
}

/// 128 bits of SHA-256: record ids are chosen by others, and two that collide would lose an event.
type Digest128 = u128;

fn digest(record: &RecordId) -> Digest128 {
    let hash = Sha256::digest(record.as_str().as_bytes());
    hash.iter().take(16).fold(0, |digest, byte| (digest << 8) | u128::from(*byte))
}

/// The key of a record's enrolls or advances: the record's digest with the kind mixed into the last bits.
fn key(record: Digest128, kind: Kind) -> Digest128 {
    let salt: u128 = match kind {
        Kind::Enroll => 1,
        Kind::Advance => 2,
        Kind::Withdraw => 3,
    };
    record ^ (salt << 64 | salt)
}

/// Digests are uniform already: hashing them again would only cost time, and a random hasher repeatability.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u128(&mut self, digest: u128) {
        self.0 = (digest >> 64) as u64;
    }
}

type Newest = HashMap<Digest128, u64, BuildHasherDefault<AsIs>>;

/// Built while entries are held.
#[derive(Debug)]
pub struct Index {
    /// Entries from this number on are known here; what is older is not.
    from: u64,
    seen: Blooms,
    /// The newest entry of each key that came (perhaps) more than once.
    repeated: Newest,
    /// The newest withdraw of each record.
    withdrawn: Newest,
}

impl Index {
    /// An index of the entries from `from` on: all of a queue, if `from` is the first one not passed.
    #[must_use]
    pub fn new(from: u64) -> Self {
        Self { from, seen: Blooms::default(), repeated: Newest::default(), withdrawn: Newest::default() }
    }

    /// Whether it knows every entry after `watermark`; else only a [`Sweep`] does.
    #[must_use]
    pub fn covers(&self, watermark: u64) -> bool {
        self.from <= watermark + 1
    }

    /// Takes in an entry just held. Entries come in the order of their numbers.
    pub fn feed(&mut self, entry: Indexed<'_>) {
        let record = digest(entry.record);
        match entry.kind {
            Kind::Withdraw => {
                self.withdrawn.insert(record, entry.number);
            }
            Kind::Enroll | Kind::Advance if entry.latest => {
                let key = key(record, entry.kind);
                if self.seen.insert(key) {
                    self.repeated.insert(key, entry.number);
                }
            }
            Kind::Enroll | Kind::Advance => {}
        }
    }

    /// Whether something newer has taken the place of this entry.
    #[must_use]
    pub fn replaced(&self, entry: Indexed<'_>) -> bool {
        if self.repeated.is_empty() && self.withdrawn.is_empty() {
            return false;
        }
        let record = digest(entry.record);
        let newer = |map: &Newest, key: Digest128| {
            map.get(&key).is_some_and(|newest| match mutant::is(Mutant::SupersededByTheOlder) {
                true => *newest == entry.number,
                false => *newest > entry.number,
            })
        };
        if mutant::is(Mutant::WithdrawForgetsTheAdvance) && entry.kind == Kind::Advance {
            return entry.latest && newer(&self.repeated, key(record, entry.kind));
        }
        newer(&self.withdrawn, record) || (entry.latest && newer(&self.repeated, key(record, entry.kind)))
    }

    /// Bytes that grow with repeated and withdrawn records; the filters' bits are not among them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const ENTRY: usize = size_of::<(Digest128, u64)>() + 1;
        (self.repeated.capacity() + self.withdrawn.capacity()) * ENTRY
    }
}

/// A Bloom filter that grows by adding ever larger ones.
#[derive(Debug, Default)]
struct Blooms {
    filters: Vec<BloomFilter>,
    /// Keys that the newest filter still takes at its rate of false positives.
    room: usize,
}

impl Blooms {
    /// Few, for most flows have few records, and so that small tests meet the next filter too.
    const FIRST: usize = 16;
    const GROWTH: usize = 4;
    /// A false positive costs an entry in the exact map, nothing else.
    const FALSE_POSITIVES: f64 = 0.001;
    const SEED: u128 = 0x666c_6f77_6761_7465;

    /// Whether the key was (perhaps) in already; it is in afterwards.
    fn insert(&mut self, key: Digest128) -> bool {
        if self.filters.iter().any(|filter| filter.contains(&key)) {
            return true;
        }
        if self.room == 0 {
            let exponent = u32::try_from(self.filters.len()).unwrap_or(u32::MAX);
            self.room = Self::FIRST.saturating_mul(Self::GROWTH.saturating_pow(exponent));
            let filter = BloomFilter::with_false_pos(Self::FALSE_POSITIVES).seed(&Self::SEED).expected_items(self.room);
            self.filters.push(filter);
        }
        self.room -= 1;
        if let Some(filter) = self.filters.last_mut() {
            filter.insert(&key);
        }
        false
    }
}

/// Finds the replaced ones among the entries of a queue by reading it, as often as the budget asks for.
///
/// Feed it the queue from the watermark to `last`, then call [`Sweep::end_pass`]; repeat until it says it is done.
#[derive(Debug)]
pub struct Sweep {
    first: u64,
    last: u64,
    /// One bit an entry from `first` on: replaced.
    bits: Vec<u64>,
    /// Records whose digest lies in `from..until` belong to this pass.
    from: Digest128,
    until: Option<Digest128>,
    /// Entries that something may still replace: (record, kind or none, number).
    open: BTreeSet<(Digest128, Slot, u64)>,
    budget_entries: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    LatestEnroll,
    LatestAdvance,
    /// Only a withdraw replaces it.
    All,
}

impl Sweep {
    /// What one open entry costs: its tuple, and a tree's usual share of free room.
    const ENTRY_BYTES: usize = size_of::<(Digest128, Slot, u64)>() * 4 / 3;

    /// A sweep over the entries after `watermark` up to and with `last`, with `budget` bytes for what is open.
    #[must_use]
    pub fn new(watermark: u64, last: u64, budget: usize) -> Self {
        let entries = last.saturating_sub(watermark);
        let words = usize::try_from(entries.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            first: watermark + 1,
            last,
            bits: vec![0; words],
            from: 0,
            until: None,
            open: BTreeSet::new(),
            budget_entries: (budget / Self::ENTRY_BYTES).max(1),
        }
    }

    /// The last entry that a pass has to see (or one beyond it, if that one was cleaned).
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The part of the key space that is done, from 0 to 1.
    #[must_use]
    pub fn progress(&self) -> f64 {
        (self.from >> 64) as f64 / 2f64.powi(64)
    }

    /// Takes in the next entry of the queue; entries come in the order of their numbers in each pass.
    pub fn feed(&mut self, entry: Indexed<'_>) {
        if entry.number > self.last {
            return;
        }
        let record = digest(entry.record);
        if record < self.from || self.until.is_some_and(|until| record >= until) {
            return;
        }
        let slot = match (entry.kind, entry.latest) {
            (Kind::Withdraw, _) => {
                let replaced: Vec<_> = self.range(record, Slot::LatestEnroll, Slot::All).collect();
                for open in replaced {
                    self.open.remove(&open);
                    self.mark(open.2);
                }
                return;
            }
            (Kind::Enroll, true) => Slot::LatestEnroll,
            (Kind::Advance, true) => Slot::LatestAdvance,
            (Kind::Enroll | Kind::Advance, false) => Slot::All,
        };
        if slot != Slot::All {
            let older = self.range(record, slot, slot).next();
            if let Some(older) = older {
                if mutant::is(Mutant::RebuildFedOutOfOrder) {
                    self.mark(entry.number);
                    return;
                }
                self.open.remove(&older);
                self.mark(older.2);
            }
        }
        self.open.insert((record, slot, entry.number));
        if self.open.len() > self.budget_entries {
            self.narrow();
        }
    }

    fn range(&self, record: Digest128, from: Slot, to: Slot) -> impl Iterator<Item = (Digest128, Slot, u64)> + '_ {
        self.open.range((record, from, 0)..=(record, to, u64::MAX)).copied()
    }

    /// Leaves the upper half of what is open to a later pass. The bits it set so far are true all the same.
    fn narrow(&mut self) {
        let Some(&(lowest, ..)) = self.open.first() else { return };
        // One record alone may be larger than the budget: it cannot be split, but nothing else has to stay beside it.
        let Some(above) = lowest.checked_add(1) else { return };
        if self.until == Some(above) {
            return;
        }
        let Some(&(middle, ..)) = self.open.iter().nth(self.open.len() / 2) else { return };
        let until = middle.max(above);
        self.open.split_off(&(until, Slot::LatestEnroll, 0));
        self.until = Some(until);
    }

    fn mark(&mut self, number: u64) {
        let Some(index) = number.checked_sub(self.first) else { return };
        if let Some(word) = usize::try_from(index / 64).ok().and_then(|word| self.bits.get_mut(word)) {
            *word |= 1 << (index % 64);
        }
    }

    /// Begins the pass again: what an unfinished one left open would be taken for older than itself.
    pub fn begin_pass(&mut self) {
        self.open.clear();
    }

    /// Ends a pass over the queue. `true`: every slice is done; `false`: read the queue once more from the watermark.
    pub fn end_pass(&mut self) -> bool {
        self.open.clear();
        match self.until.take() {
            None => true,
            Some(until) => {
                self.from = until;
                false
            }
        }
    }

    /// Whether something up to `last` has taken the place of this entry. Ask when every pass is done.
    #[must_use]
    pub fn replaced(&self, number: u64) -> bool {
        let Some(index) = number.checked_sub(self.first) else { return false };
        usize::try_from(index / 64)
            .ok()
            .and_then(|word| self.bits.get(word))
            .is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    type Entry = (u64, Kind, RecordId, bool);

    fn entry(number: u64, kind: Kind, name: u64, latest: bool) -> Entry {
        (number, kind, RecordId::new(&name.to_string()).unwrap(), latest)
    }

    fn indexed((number, kind, record, latest): &Entry) -> Indexed<'_> {
        Indexed { number: *number, kind: *kind, record, latest: *latest }
    }

    /// The contract, word for word.
    fn is_replaced(old: &Entry, all: &[Entry]) -> bool {
        all.iter().any(|new| {
            new.0 > old.0 && new.2 == old.2 && (new.1 == Kind::Withdraw || (new.1 == old.1 && new.3 && old.3))
        })
    }

    fn sweep(entries: &[Entry], watermark: u64, last: u64, budget_entries: usize) -> (Sweep, usize) {
        let mut sweep = Sweep::new(watermark, last, budget_entries * Sweep::ENTRY_BYTES);
        let mut passes = 0;
        loop {
            passes += 1;
            for entry in entries.iter().filter(|entry| entry.0 > watermark) {
                sweep.feed(indexed(entry));
            }
            if sweep.end_pass() {
                return (sweep, passes);
            }
            assert!(passes < 10_000, "no end");
        }
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let kind = prop_oneof![4 => Just(Kind::Enroll), 4 => Just(Kind::Advance), 1 => Just(Kind::Withdraw)];
        let one = (kind, 0..8_u64, any::<bool>(), 1..3_u64);
        prop::collection::vec(one, 0..80).prop_map(|all| {
            let mut number = 0;
            let numbered = all.into_iter().map(|(kind, name, latest, step)| {
                number += step;
                entry(number, kind, name, latest)
            });
            numbered.collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_index_knows_what_replaced_what(all in entries(), from in 0..40_u64) {
            let mut index = Index::new(from);
            let known: Vec<_> = all.iter().filter(|entry| entry.0 >= from).cloned().collect();
            known.iter().for_each(|entry| index.feed(indexed(entry)));
            for entry in known.iter().filter(|entry| entry.1 != Kind::Withdraw) {
                prop_assert_eq!(index.replaced(indexed(entry)), is_replaced(entry, &all), "{:?}", entry);
            }
            // What it says of older ones is true, if not all.
            for entry in all.iter().filter(|entry| entry.0 < from) {
                prop_assert!(!index.replaced(indexed(entry)) || is_replaced(entry, &all), "{:?}", entry);
            }
        }

        /// Whatever the budget is, from one entry on, up to which entry it looks, and what was cleaned between passes.
        #[test]
        fn a_sweep_knows_what_replaced_what(all in entries(), watermark in 0..40_u64, back in 0..20_u64) {
            let last = all.last().map_or(0, |entry| entry.0).saturating_sub(back).max(watermark);
            let within: Vec<_> = all.iter().filter(|entry| entry.0 <= last).cloned().collect();
            for budget in 1..20 {
                let (sweep, _) = sweep(&all, watermark, last, budget);
                for entry in all.iter().filter(|entry| entry.1 != Kind::Withdraw) {
                    let expected = entry.0 > watermark && is_replaced(entry, &within);
                    prop_assert_eq!(sweep.replaced(entry.0), expected, "{:?} with {}", entry, budget);
                }
            }
        }
    }

    #[test]
    fn it_covers_a_queue_from_its_first_entry_on() {
        let index = Index::new(5);
        assert!(!index.covers(3));
        assert!(index.covers(4));
        assert!(index.covers(5));
    }

    /// P4: keys that come once cost bits; a false positive costs memory and nothing else.
    #[test]
    fn keys_that_come_once_take_no_room_in_the_map() {
        let mut index = Index::new(1);
        let all: Vec<_> = (1..=50_000).map(|number| entry(number, Kind::Enroll, number, true)).collect();
        all.iter().for_each(|entry| index.feed(indexed(entry)));
        assert!(all.iter().all(|entry| !index.replaced(indexed(entry))));
        let false_positives = index.repeated.len();
        assert!(false_positives < 500, "{false_positives} of 50,000");
        assert!(index.bytes() < 50_000, "{} bytes", index.bytes());
        // All of them a second time: each of the first ones is replaced, none of the second.
        let again: Vec<_> = (1..=50_000).map(|n| entry(50_000 + n, Kind::Enroll, n, true)).collect();
        again.iter().for_each(|entry| index.feed(indexed(entry)));
        assert!(all.iter().all(|entry| index.replaced(indexed(entry))));
        assert!(again.iter().all(|entry| !index.replaced(indexed(entry))));
        assert!(index.bytes() > 50_000 * size_of::<(Digest128, u64)>());
    }

    #[test]
    fn the_kinds_of_one_record_are_different_keys_and_a_withdraw_takes_both() {
        let mut index = Index::new(1);
        let (enroll, advance) = (entry(1, Kind::Enroll, 7, true), entry(2, Kind::Advance, 7, true));
        index.feed(indexed(&enroll));
        index.feed(indexed(&advance));
        assert!(!index.replaced(indexed(&enroll)));
        index.feed(indexed(&entry(3, Kind::Withdraw, 7, true)));
        let later = entry(4, Kind::Enroll, 7, true);
        index.feed(indexed(&later));
        assert!(index.replaced(indexed(&enroll)) && index.replaced(indexed(&advance)));
        assert!(!index.replaced(indexed(&later)));
    }

    #[test]
    fn a_sweep_stays_within_its_budget_and_makes_progress() {
        let all: Vec<_> = (1..=4_000).map(|n| entry(n, Kind::Enroll, n % 2_000, true)).collect();
        for budget in [1, 10, 100, 1_000, 10_000] {
            let mut sweep = Sweep::new(0, 4_000, budget * Sweep::ENTRY_BYTES);
            let (mut passes, mut progress) = (0, 0.0);
            loop {
                for entry in &all {
                    sweep.feed(indexed(entry));
                    assert!(sweep.open.len() <= budget);
                }
                passes += 1;
                if sweep.end_pass() {
                    break;
                }
                assert!(sweep.progress() > progress && sweep.progress() < 1.0);
                progress = sweep.progress();
            }
            assert!(passes <= 1 + 2 * 2_000 / budget, "{passes} passes with room for {budget}");
            assert!((1..=4_000).all(|number| sweep.replaced(number) == (number <= 2_000)));
        }
    }

    /// One record cannot be split: it alone may take more than the budget, and must not take time without end either.
    #[test]
    fn a_record_larger_than_the_budget_stands_alone() {
        // Every other entry is of record 0, the rest of 500 others.
        let name = |n: u64| if n.is_multiple_of(2) { 0 } else { n % 1_000 };
        let mut all: Vec<_> = (1..=20_000).map(|n| entry(n, Kind::Advance, name(n), false)).collect();
        all.push(entry(20_001, Kind::Withdraw, 0, false));
        let (sweep, passes) = sweep(&all, 0, 20_001, 100);
        assert!(passes < 500, "{passes}");
        assert!(all.iter().all(|entry| sweep.replaced(entry.0) == is_replaced(entry, &all[20_000..])));
        let mut sweep = Sweep::new(0, 20_001, 100 * Sweep::ENTRY_BYTES);
        let mut most = 0;
        for entry in &all {
            sweep.feed(indexed(entry));
            most = most.max(sweep.open.len());
        }
        assert!(most <= 10_500, "{most} open: others stayed beside it");
    }

    #[test]
    fn an_empty_sweep_is_done_after_one_pass() {
        let (sweep, passes) = sweep(&[], 7, 7, 1);
        assert_eq!((passes, sweep.replaced(7), sweep.replaced(8)), (1, false, false));
    }
}
