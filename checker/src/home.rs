//! Where a flow lives: the Java client's hash, written from its definition.

/// 32-bit murmur2 with the seed of Kafka's Java client, over bytes taken little-endian.
#[must_use]
pub fn murmur2(bytes: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    // The length enters modulo 2^32, as in the client: keys of 4 GiB do not exist.
    let length = u32::try_from(bytes.len() & 0xffff_ffff).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash.cast_signed()
}

/// The partition of `partitions` that a flow belongs to.
#[must_use]
pub fn home(flow: &str, partitions: i32) -> i32 {
    (murmur2(flow.as_bytes()) & 0x7fff_ffff) % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flow id, hash, partition of 6, partition of 12: from Kafka 4.3.1's Java client (`Utils.murmur2`).
    const JAVA: &[(&str, i32, i32, i32)] = &[
        ("", 275646681, 3, 9),
        ("a", -1563381124, 4, 4),
        ("ab", 316155434, 2, 2),
        ("abc", 479470107, 3, 3),
        ("abcd", -1323649548, 2, 8),
        ("abcde", 461995741, 1, 1),
        ("21", -973932308, 0, 0),
        ("foobar", -790332482, 0, 6),
        ("a-little-bit-long-string", -985981536, 2, 8),
        ("a-little-bit-longer-string", -1486304829, 5, 11),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, 5, 5),
        ("welcome", 1144024279, 1, 7),
        ("post-purchase", -660359060, 0, 0),
        ("win-back", -908417698, 4, 10),
        ("vip/überraschung", 566611568, 2, 8),
        ("流れ", 1684756257, 3, 9),
        ("🙂", 925250799, 3, 3),
        ("*", 496342775, 5, 11),
        ("flow-0", -1327800797, 3, 3),
        ("flow-1", -1754694466, 4, 10),
        ("flow-99", 1628059632, 0, 0),
        ("loyal.customers", -699519928, 4, 4),
        ("win_back", -1211236692, 2, 8),
        ("一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三", -926147176, 4, 4),
    ];

    #[test]
    fn agrees_with_the_java_client() {
        for (flow, hash, of_6, of_12) in JAVA {
            assert_eq!(murmur2(flow.as_bytes()), *hash, "{flow:?}");
            assert_eq!((home(flow, 6), home(flow, 12)), (*of_6, *of_12), "{flow:?}");
        }
    }
}
