//! A Bloom filter that grows by adding ever larger ones.

use fastbloom::BloomFilter;

use super::digest::Digest;
use super::entry::Outgrown;

#[derive(Debug, Default)]
pub(super) struct Blooms {
    filters: Vec<BloomFilter>,
    /// Keys in the full filters.
    before: usize,
    /// Keys that the newest filter still takes at its rate of false positives.
    left: usize,
    bytes: usize,
}

impl Blooms {
    /// Few, for most flows have few records, and so that small tests meet the next filter too.
    const FIRST: usize = 16;
    const GROWTH: usize = 4;
    /// With [`Self::HASHES`] one key in a thousand is taken for seen: that costs an entry in the exact map, nothing else.
    const BITS: usize = 15;
    const HASHES: u32 = 10;

    pub fn contains(&self, key: Digest) -> bool {
        // Digests are hashes already.
        self.filters.iter().any(|filter| filter.contains_hash(key.low))
    }

    /// Adds a key that is not in yet; takes the bytes of another filter, if it needs one, from `room`.
    pub fn add(&mut self, key: Digest, room: &mut usize) -> Result<(), Outgrown> {
        if self.left == 0 {
            self.grow(room)?;
        }
        self.left -= 1;
        if let Some(filter) = self.filters.last_mut() {
            filter.insert_hash(key.low);
        }
        Ok(())
    }

    fn grow(&mut self, room: &mut usize) -> Result<(), Outgrown> {
        let exponent = u32::try_from(self.filters.len()).unwrap_or(u32::MAX);
        let grown = Self::FIRST.saturating_mul(Self::GROWTH.saturating_pow(exponent));
        let taken = self.before;
        // Where there is no room for so many, half of what there is goes a long way too.
        let keys = match Self::bytes_for(grown) <= *room {
            true => grown,
            false => (*room / 2).saturating_mul(8) / Self::BITS,
        };
        if keys < grown && keys < Self::FIRST.max(taken / 4) {
            return Err(Outgrown { needs: Self::bytes_for(grown) });
        }
        let bytes = Self::bytes_for(keys);
        self.filters.push(BloomFilter::with_num_bits(bytes * 8).seed(&0).hashes(Self::HASHES));
        self.before += keys;
        self.left = keys;
        self.bytes += bytes;
        *room = room.saturating_sub(bytes);
        Ok(())
    }

    /// Whole words.
    fn bytes_for(keys: usize) -> usize {
        keys.saturating_mul(Self::BITS).div_ceil(64).saturating_mul(8)
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(number: usize) -> Digest {
        Digest::of(&number.to_string())
    }

    #[test]
    fn what_was_added_is_in_and_little_else() {
        let (mut blooms, mut room) = (Blooms::default(), usize::MAX);
        let mut taken_for_seen = 0;
        for number in 0..50_000 {
            taken_for_seen += usize::from(blooms.contains(key(number)));
            blooms.add(key(number), &mut room).unwrap();
        }
        assert!((0..50_000).all(|number| blooms.contains(key(number))));
        assert!(taken_for_seen < 500, "{taken_for_seen} of 50,000");
        assert_eq!(blooms.bytes(), usize::MAX - room);
        assert!(blooms.bytes() < 50_000 * 4 * Blooms::BITS / 8, "{}", blooms.bytes());
        let bits: usize = blooms.filters.iter().map(BloomFilter::num_bits).sum();
        assert_eq!(bits, blooms.bytes() * 8);
    }

    /// The budget is looked at before a filter is made, and the last one may be smaller.
    #[test]
    fn it_ends_within_its_room() {
        for room in [0, 31, 32, 100, 1_000, 10_000, 100_000] {
            let (mut blooms, mut left) = (Blooms::default(), room);
            let taken = (0..).take_while(|number| blooms.add(key(*number), &mut left).is_ok()).count();
            assert!(blooms.bytes() <= room && blooms.bytes() + left == room, "{room}");
            // Nothing is smaller than the first one.
            assert!(room < 32 && taken == 0 || taken >= room * 8 / Blooms::BITS / 3, "{taken} keys in {room} bytes");
            assert!((0..taken).all(|number| blooms.contains(key(number))));
        }
    }
}
