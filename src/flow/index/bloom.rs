//! A Bloom filter that grows by adding ever larger ones.
//!
//! All bits of a key lie in one block of 32 bytes, so that a filter of many megabytes costs one access to memory for a key,
//! and not one for each bit: these were a tenth of a worker's time where it holds. (A split block Bloom filter, as Parquet
//! specifies it: <https://parquet.apache.org/docs/file-format/bloomfilter/>.)

use super::digest::Digest;
use super::entry::Outgrown;

#[derive(Debug, Default)]
pub(super) struct Blooms {
    filters: Vec<Filter>,
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
    /// With these two keys in a thousand are taken for seen: that costs an entry in the exact map, nothing else.
    const BITS: usize = 15;

    pub fn contains(&self, key: Digest) -> bool {
        self.filters.iter().any(|filter| filter.contains(key))
    }

    /// Adds a key that is not in yet; takes the bytes of another filter, if it needs one, from `room`.
    pub fn add(&mut self, key: Digest, room: &mut usize) -> Result<(), Outgrown> {
        if self.left == 0 {
            self.grow(room)?;
        }
        self.left -= 1;
        if let Some(filter) = self.filters.last_mut() {
            filter.add(key);
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
        self.filters.push(Filter { blocks: vec![Block::default(); bytes / size_of::<Block>()] });
        self.before += keys;
        self.left = keys;
        self.bytes += bytes;
        *room = room.saturating_sub(bytes);
        Ok(())
    }

    /// Whole blocks.
    fn bytes_for(keys: usize) -> usize {
        keys.saturating_mul(Self::BITS).div_ceil(8 * size_of::<Block>()).saturating_mul(size_of::<Block>())
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// At least one block.
#[derive(Debug)]
struct Filter {
    blocks: Vec<Block>,
}

/// Of each of its words a key sets one bit. In one line of the cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(32))]
struct Block([u32; 8]);

impl Filter {
    /// The high half of the digest's low word says which block; the high word does not count, for all keys in a slice of the
    /// key space have about the same.
    fn place(&self, key: Digest) -> usize {
        (((key.low >> 32) * self.blocks.len() as u64) >> 32) as usize
    }

    fn contains(&self, key: Digest) -> bool {
        let Some(Block(words)) = self.blocks.get(self.place(key)) else { return false };
        let bits = Self::bits(key);
        words.iter().zip(bits).fold(0, |missing, (word, bit)| missing | bit & !word) == 0
    }

    fn add(&mut self, key: Digest) {
        let place = self.place(key);
        if let Some(Block(words)) = self.blocks.get_mut(place) {
            words.iter_mut().zip(Self::bits(key)).for_each(|(word, bit)| *word |= bit);
        }
    }

    /// One bit for each word: the low half of the digest, times an odd number of the word's own.
    fn bits(key: Digest) -> [u32; 8] {
        /// Parquet's.
        const SALTS: [u32; 8] =
            [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];
        SALTS.map(|salt| 1 << ((key.low as u32).wrapping_mul(salt) >> 27))
    }
}

#[cfg(test)]
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
        let blocks: usize = blooms.filters.iter().map(|filter| filter.blocks.len()).sum();
        assert_eq!(blocks * size_of::<Block>(), blooms.bytes());
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
