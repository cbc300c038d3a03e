//! A partition record is refused, or goes round without a change, with what is unknown in it.

use std::collections::BTreeMap;

use flowgate::schema::{Malformed, partition};
use serde_json::value::{RawValue, to_raw_value};

use super::{End, keeps, sentence};

pub fn check(bytes: &[u8]) -> End {
    let mut document = match partition::read(bytes) {
        Ok(document) => document,
        Err(malformed) => return refused(&malformed),
    };
    let read = document.clone();
    let written = partition::write(&mut document);
    assert_eq!(document, read, "writing it changes nothing");
    let mut again = partition::read(&written).unwrap_or_else(|error| panic!("it wrote what it cannot read: {error}"));
    assert_eq!(again, read);
    assert_eq!(partition::write(&mut again), written);
    let [mut before, after] = [bytes, &written].map(fields);
    // It follows from the others: a record that forwards has a version of its own.
    before.insert("version".to_owned(), after["version"].clone());
    let [before, after] = [before, after].map(|fields| to_raw_value(&fields).unwrap());
    keeps::every_field(&before, &after);
    End::Understood
}

fn fields(document: &[u8]) -> BTreeMap<String, Box<RawValue>> {
    serde_json::from_slice(document).unwrap()
}

/// A document of the gate's own that it cannot read stops it: the sentence has to say where to look.
pub fn refused(malformed: &Malformed) -> End {
    let names = match malformed {
        Malformed::Newer { .. } => "version",
        Malformed::NoObject { .. } => "value",
        Malformed::Field { name, .. } => name,
    };
    sentence::check(&malformed.to_string(), names)
}
