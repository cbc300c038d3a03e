//! The size a record has at the broker, for `max.message.bytes`.

use bytes::Bytes;

use crate::broker::{Compression, Header};

/// The header of a record batch (magic 2), in bytes.
const BATCH_OVERHEAD: usize = 61;

/// Bytes of a varint that holds `value`, zigzag as Kafka writes lengths.
fn varint(value: usize) -> usize {
    let bits = usize::BITS as usize - (value << 1).leading_zeros() as usize;
    bits.div_ceil(7).max(1)
}

fn part(bytes: Option<&[u8]>) -> usize {
    // A null is the length -1: one byte.
    bytes.map_or(1, |bytes| varint(bytes.len()) + bytes.len())
}

/// What a record takes alone in an uncompressed batch.
pub(super) fn plain(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> usize {
    let headers: usize =
        headers.iter().map(|header| part(Some(&header.name)) + part(header.value.as_deref())).sum::<usize>()
            + varint(headers.len());
    // Attributes, and a timestamp and an offset delta of 0: one byte each.
    let body = 3 + part(key) + part(value) + headers;
    BATCH_OVERHEAD + varint(body) + body
}

/// What a record takes alone in a batch compressed as `compression` says: zstd at librdkafka's level over the parts of
/// the record, which differs from the real batch by a few bytes.
pub(super) fn stored(compression: Compression, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> usize {
    let plain = plain(key, value, headers);
    match compression {
        Compression::None => plain,
        Compression::Zstd => {
            let mut body: Vec<u8> = Vec::with_capacity(plain);
            let names = headers.iter().flat_map(|header| [Some(&header.name), header.value.as_ref()]).flatten();
            for bytes in [key, value].into_iter().flatten().chain(names.map(Bytes::as_ref)) {
                body.extend_from_slice(bytes);
            }
            let mut compressed = vec![0; zstd_safe::compress_bound(body.len())];
            match zstd_safe::compress(&mut compressed[..], &body, zstd_safe::CLEVEL_DEFAULT) {
                Ok(length) => (BATCH_OVERHEAD + length).min(plain),
                // It cannot fail with a buffer of that size; if it did, a client would send the batch as it is.
                Err(_) => plain,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_zigzag() {
        assert_eq!([0, 63, 64, 8191, 8192].map(varint), [1, 1, 2, 2, 3]);
    }

    #[test]
    fn zstd_makes_a_repetitive_record_small_and_a_random_one_no_larger() {
        let zeros = vec![0; 100_000];
        assert!(stored(Compression::Zstd, None, Some(&zeros), &[]) < 1000);
        assert!(stored(Compression::None, None, Some(&zeros), &[]) > 100_000);
        let mut seed = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed.to_be_bytes()[0]
        })
        .take(10_000)
        .collect();
        let sizes = [Compression::None, Compression::Zstd].map(|how| stored(how, None, Some(&noise), &[]));
        assert!(sizes[1] <= sizes[0] && sizes[1] > 9_000, "{sizes:?}");
    }
}
