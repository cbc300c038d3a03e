//! The Java client's default partitioner, so that the gate agrees with most upstreams on where a key lives.

/// Kafka's murmur2 of `data`: the 32-bit MurmurHash2 with the seed of `org.apache.kafka.common.utils.Utils`.
#[must_use]
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const MIX: u32 = 0x5bd1_e995;

    // Kafka hashes the length as a 32-bit int; no key is longer.
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(MIX);
        word = (word ^ (word >> 24)).wrapping_mul(MIX);
        hash = hash.wrapping_mul(MIX) ^ word;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |word, &byte| (word << 8) | u32::from(byte));
        hash = hash.wrapping_mul(MIX);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MIX);
    (hash ^ (hash >> 15)).cast_signed()
}

/// The partition of `partitions` that a key belongs to; 0 if there are none.
#[must_use]
pub fn partition_for(key: &[u8], partitions: i32) -> i32 {
    partition_of(murmur2(key), partitions)
}

/// The partition of `partitions` that a key with this [`murmur2`] belongs to; 0 if there are none.
#[must_use]
pub fn partition_of(hash: i32, partitions: i32) -> i32 {
    if partitions <= 0 { 0 } else { (hash & 0x7fff_ffff) % partitions }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: our hash is the Java client's. Method: every row that Kafka 4.3.1's own `Utils.murmur2` gave.
    #[test]
    fn agrees_with_the_java_client() {
        let table = include_str!("../../tests/fixtures/murmur2.csv");
        let mut rows = 0;
        for line in table.lines().skip(1) {
            let mut fields = line.rsplitn(4, ',');
            let mut number = || fields.next().and_then(|field| field.parse::<i32>().ok()).expect("a number");
            let (of_12, of_6, hash) = (number(), number(), number());
            let key = fields.next().expect("a key").trim_matches('"');
            assert_eq!(murmur2(key.as_bytes()), hash, "{key:?}");
            assert_eq!((partition_for(key.as_bytes(), 6), partition_for(key.as_bytes(), 12)), (of_6, of_12), "{key:?}");
            rows += 1;
        }
        assert_eq!(rows, 24);
    }
}
