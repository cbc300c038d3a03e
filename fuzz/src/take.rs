//! Records out of bytes: a length before each part.

use bytes::Bytes;
use flowgate::broker::{Header, Record};
use flowgate::time::Timestamp;

/// Takes parts off the front; from bytes that are too few, what there is.
pub struct Take<'a>(pub &'a [u8]);

impl<'a> Take<'a> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn part(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (part, rest) = self.0.split_at(length);
        self.0 = rest;
        part
    }

    /// A length of 255 is nothing at all, which is not the same as no bytes.
    pub fn maybe_part(&mut self) -> Option<Bytes> {
        match self.0.first() {
            Some(255) => {
                self.byte();
                None
            }
            Some(_) | None => Some(Bytes::copy_from_slice(self.part())),
        }
    }

    pub fn record(&mut self, topic: &str) -> Record {
        let (key, value) = (self.maybe_part(), self.maybe_part());
        let headers = (0..self.byte() % 16)
            .map(|_| Header { name: Bytes::copy_from_slice(self.part()), value: self.maybe_part() })
            .collect();
        let timestamp = Timestamp(i64::from(self.byte()) - 1);
        Record { topic: topic.into(), partition: 0, offset: i64::from(self.byte()), timestamp, key, value, headers }
    }
}

/// The bytes that [`Take::record`] makes this record of, as far as parts of 254 bytes go.
pub fn put(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut part = |part: Option<&[u8]>| match part {
        None => bytes.push(255),
        Some(part) => {
            let part = &part[..part.len().min(254)];
            bytes.push(u8::try_from(part.len()).unwrap_or(254));
            bytes.extend_from_slice(part);
        }
    };
    part(record.key.as_deref());
    part(record.value.as_deref());
    bytes.push(u8::try_from(record.headers.len()).unwrap_or(15).min(15));
    for header in record.headers.iter().take(15) {
        for part in [Some(&header.name), header.value.as_ref()] {
            match part {
                None => bytes.push(255),
                Some(part) => {
                    let part = &part[..part.len().min(254)];
                    bytes.push(u8::try_from(part.len()).unwrap_or(254));
                    bytes.extend_from_slice(part);
                }
            }
        }
    }
    bytes
}
