//! What is known of the entries from a number on.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::bloom::Blooms;
use super::digest::{AsIs, Digest};
use super::entry::{Indexed, Outgrown};
use crate::flow::Kind;
use crate::mutant::{self, Mutant};

/// Fed with entries in the order of their numbers.
#[derive(Debug)]
pub(super) struct Known {
    /// The number of the next entry: what lies before it was fed, or does not matter.
    pub next: u64,
    /// Every key goes into the map, also one that comes once.
    exact: bool,
    seen: Blooms,
    /// The newest entry of each key that came (perhaps) more than once.
    repeated: Newest,
    /// The newest withdraw of each record.
    withdrawn: Newest,
}

impl Known {
    pub fn new(next: u64) -> Self {
        Self { next, exact: false, seen: Blooms::default(), repeated: Newest::default(), withdrawn: Newest::default() }
    }

    /// One that knows what has taken the place of entries that it was not fed.
    pub fn exact(next: u64) -> Self {
        Self { exact: true, ..Self::new(next) }
    }

    /// Takes in an entry, once: what comes again is passed over. What it grows by it takes from `room`.
    pub fn feed(&mut self, digest: Digest, entry: Indexed<'_>, room: &mut usize) -> Result<(), Outgrown> {
        if entry.number < self.next {
            return Ok(());
        }
        match entry.kind {
            Kind::Withdraw => self.withdrawn.set(digest, entry.number, room)?,
            Kind::Enroll | Kind::Advance if entry.latest => {
                let key = digest.key(entry.kind);
                match self.exact || self.seen.contains(key) {
                    true => self.repeated.set(key, entry.number, room)?,
                    false => self.seen.add(key, room)?,
                }
            }
            Kind::Enroll | Kind::Advance => {}
        }
        self.next = entry.number + 1;
        Ok(())
    }

    /// Whether something that was fed has taken the place of this entry.
    pub fn replaced(&self, digest: Digest, entry: Indexed<'_>) -> bool {
        let newer = |map: &Newest, key: Digest| {
            map.get(key).is_some_and(|newest| match mutant::is(Mutant::SupersededByTheOlder) {
                true => newest == entry.number,
                false => newest > entry.number,
            })
        };
        let superseded = entry.latest && newer(&self.repeated, digest.key(entry.kind));
        let withdraw_counts = !mutant::is(Mutant::WithdrawForgetsTheAdvance) || entry.kind != Kind::Advance;
        superseded || withdraw_counts && newer(&self.withdrawn, digest)
    }

    /// Nothing has replaced anything, as far as it knows.
    pub fn is_silent(&self) -> bool {
        self.repeated.0.is_empty() && self.withdrawn.0.is_empty()
    }

    pub fn bytes(&self) -> usize {
        self.seen.bytes() + self.repeated.bytes() + self.withdrawn.bytes()
    }
}

/// The number of the newest entry of each key.
#[derive(Debug, Default)]
struct Newest(HashMap<Digest, u64, BuildHasherDefault<AsIs>>);

impl Newest {
    fn get(&self, key: Digest) -> Option<u64> {
        self.0.get(&key).copied()
    }

    fn set(&mut self, key: Digest, number: u64, room: &mut usize) -> Result<(), Outgrown> {
        if let Some(newest) = self.0.get_mut(&key) {
            *newest = number;
            return Ok(());
        }
        if self.0.len() == self.0.capacity() {
            self.grow(room)?;
        }
        self.0.insert(key, number);
        Ok(())
    }

    /// It doubles, and for a moment the old one stands beside the new one.
    fn grow(&mut self, room: &mut usize) -> Result<(), Outgrown> {
        let (buckets, before) = (Self::buckets(self.0.capacity()), self.bytes());
        let needs = Self::bytes_of((buckets * 2).max(Self::LEAST));
        if needs > *room {
            return Err(Outgrown { needs });
        }
        self.0.reserve(1);
        *room = room.saturating_sub(self.bytes().saturating_sub(before));
        Ok(())
    }

    const LEAST: usize = 4;

    /// How a map of the standard library is made: a power of two of places, of which an eighth stays free.
    fn buckets(capacity: usize) -> usize {
        match capacity {
            0 => 0,
            1..=3 => Self::LEAST,
            _ => (capacity * 8 / 7).next_power_of_two(),
        }
    }

    fn bytes_of(buckets: usize) -> usize {
        buckets * (size_of::<(Digest, u64)>() + 1)
    }

    fn bytes(&self) -> usize {
        Self::bytes_of(Self::buckets(self.0.capacity()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enroll(number: u64, record: &str) -> Indexed<'_> {
        Indexed { number, kind: Kind::Enroll, record, latest: true }
    }

    fn feed(known: &mut Known, entry: Indexed<'_>, room: &mut usize) -> Result<(), Outgrown> {
        known.feed(Digest::of(entry.record), entry, room)
    }

    /// P4: keys that come once cost bits; a false positive costs memory and nothing else.
    #[test]
    fn keys_that_come_once_take_no_room_in_the_map() {
        let (mut known, mut room) = (Known::new(1), usize::MAX);
        let names: Vec<String> = (1..=50_000).map(|number| format!("{number}")).collect();
        let all = || names.iter().zip(1..).map(|(name, number)| enroll(number, name));
        let replaced = |known: &Known, entry: Indexed<'_>| known.replaced(Digest::of(entry.record), entry);
        all().for_each(|entry| feed(&mut known, entry, &mut room).unwrap());
        assert!(!all().any(|entry| replaced(&known, entry)));
        assert!(known.repeated.0.len() < 500, "{} of 50,000", known.repeated.0.len());
        // All of them a second time: each of the first ones is replaced, none of the second.
        let again = || all().map(|entry| Indexed { number: entry.number + 50_000, ..entry });
        again().for_each(|entry| feed(&mut known, entry, &mut room).unwrap());
        assert!(all().all(|entry| replaced(&known, entry)));
        assert!(!again().any(|entry| replaced(&known, entry)));
        assert_eq!(known.bytes(), usize::MAX - room);
        assert!(known.bytes() > 50_000 * size_of::<(Digest, u64)>());
    }

    /// The size of a map is known before it doubles: that is what the budget is compared with.
    #[test]
    fn a_map_grows_as_it_is_foretold() {
        let mut map = Newest::default();
        for number in 0..5_000_u64 {
            let before = (map.0.len() == map.0.capacity()).then(|| Newest::buckets(map.0.capacity()));
            map.set(Digest { high: number, low: number }, number, &mut { usize::MAX }).unwrap();
            let places = Newest::buckets(map.0.capacity());
            if let Some(before) = before {
                assert_eq!(places, (before * 2).max(4), "at {number}");
            }
            assert!(map.0.capacity() <= places && map.0.capacity() >= places * 3 / 4);
        }
        assert_eq!(map.bytes(), 8_192 * 25);
    }

    #[test]
    fn without_room_nothing_is_changed() {
        let mut known = Known::new(1);
        assert!(feed(&mut known, enroll(1, "a"), &mut 0).unwrap_err().needs > 0);
        assert_eq!((known.next, known.bytes()), (1, 0));
        feed(&mut known, enroll(1, "a"), &mut 1_000).unwrap();
        assert!(feed(&mut known, enroll(2, "a"), &mut 0).is_err());
        feed(&mut known, enroll(2, "a"), &mut 1_000).unwrap();
        // The third one of a key needs none.
        feed(&mut known, enroll(3, "a"), &mut 0).unwrap();
        assert_eq!(known.repeated.get(Digest::of("a").key(Kind::Enroll)), Some(3));
    }

    #[test]
    fn what_comes_again_is_passed_over() {
        let (mut known, mut room) = (Known::new(5), usize::MAX);
        for number in [3, 5, 9, 5, 7] {
            feed(&mut known, enroll(number, "a"), &mut room).unwrap();
        }
        let replaced: Vec<u64> =
            (1..12).filter(|number| known.replaced(Digest::of("a"), enroll(*number, "a"))).collect();
        assert_eq!((replaced, known.next), ((1..9).collect(), 10));
    }
}
