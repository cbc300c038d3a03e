//! The state of a flow is refused, or goes round without a change, with what is unknown in it.

use flowgate::schema::state;

use super::{End, keeps, partition};

pub fn check(bytes: &[u8]) -> End {
    let mut document = match state::read(bytes) {
        Ok(document) => document,
        Err(malformed) => return partition::refused(&malformed),
    };
    let read = document.clone();
    let written = state::write(&mut document);
    assert_eq!(document, read, "writing it changes nothing");
    let mut again = state::read(&written).unwrap_or_else(|error| panic!("it wrote what it cannot read: {error}"));
    assert_eq!(again, read);
    assert_eq!(state::write(&mut again), written);
    let [before, after] = [bytes, &written].map(|bytes| serde_json::from_slice(bytes).unwrap());
    keeps::every_field(before, after);
    End::Understood
}
