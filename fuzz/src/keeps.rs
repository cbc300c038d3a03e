//! A document that is rewritten keeps what it held.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Every field of `before` stands in `after`, and every number digit for digit: another parser's idea of it may be less
/// exact. A time may be told in another offset. What is unknown in the objects of lists is not kept, by design.
pub fn every_field(before: &RawValue, after: &RawValue) {
    let (old, new) = (before.get(), after.get());
    match old.as_bytes()[0] {
        b'{' => {
            let new: Fields<'_> = read(new);
            for (name, value) in read::<Fields<'_>>(old) {
                let kept = new.get(&name).unwrap_or_else(|| panic!("{name} is gone: {value}"));
                every_field(value, kept);
            }
        }
        b'[' => {
            let (old, new): (Vec<&RawValue>, Vec<&RawValue>) = (read(old), read(new));
            assert_eq!(old.len(), new.len(), "{before} became {after}");
            old.iter().zip(new).for_each(|(before, after)| item(before, after));
        }
        b'"' => {
            let (old, new): (String, String) = (read(old), read(new));
            assert!(old == new || is_time(&old) && is_time(&new), "{before} became {after}");
        }
        _ => assert_eq!(number(old), number(new)),
    }
}

/// Of an object in a list, what is still there is what it was.
fn item(before: &RawValue, after: &RawValue) {
    if before.get().starts_with('{') && after.get().starts_with('{') {
        let before: Fields<'_> = read(before.get());
        for (name, after) in read::<Fields<'_>>(after.get()) {
            every_field(before[&name], after);
        }
    } else {
        every_field(before, after);
    }
}

fn read<'a, T: serde::Deserialize<'a>>(json: &'a str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// 1e9 is 1E+9.
fn number(text: &str) -> String {
    text.replace('E', "e").replace("e+", "e")
}

fn is_time(text: &str) -> bool {
    text.len() >= 20 && text.as_bytes()[4] == b'-' && text.as_bytes()[10].eq_ignore_ascii_case(&b't')
}
