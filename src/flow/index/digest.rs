//! Record ids as 128 bits.

use std::hash::Hasher;

use sha2::{Digest as _, Sha256};

use crate::flow::Kind;

/// 128 bits of SHA-256: record ids are chosen by others, and two that collide would lose an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Digest {
    /// Places the record in the key space: all keys of a record have it.
    pub high: u64,
    pub low: u64,
}

impl Digest {
    pub fn of(record: &str) -> Self {
        let hash = Sha256::digest(record.as_bytes());
        let word = |bytes: &[u8]| bytes.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        let (high, rest) = hash.split_at(8);
        Self { high: word(high), low: word(&rest[..8]) }
    }

    /// The key of the record's enrolls or advances: the kind is mixed into the low word.
    pub fn key(self, kind: Kind) -> Self {
        let salt = match kind {
            Kind::Enroll => 0x9e37_79b9_7f4a_7c15,
            Kind::Advance => 0x3c6e_f372_fe94_f82a,
            Kind::Withdraw => 0xdaa6_6d2c_7ddf_743f,
        };
        Self { high: self.high, low: self.low ^ salt }
    }
}

/// Digests are uniform already: hashing them again would only cost time, and a random hasher repeatability.
#[derive(Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    /// The last word counts: the low one, in which the kinds of a record differ.
    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_a_record_have_different_keys_in_one_place() {
        let digest = Digest::of("7");
        let keys = Kind::ALL.map(|kind| digest.key(kind));
        assert!(keys.iter().all(|key| key.high == digest.high && key.low != digest.low));
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
        assert_ne!(digest.high, Digest::of("8").high);
    }
}
