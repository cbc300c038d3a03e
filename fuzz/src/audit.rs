//! An audit event is refused, or goes round without a change.

use flowgate::schema::audit;

use super::{End, partition};

pub fn check(bytes: &[u8]) -> End {
    let event = match audit::read(bytes) {
        Ok(event) => event,
        Err(malformed) => return partition::refused(&malformed),
    };
    assert_eq!(audit::read(&audit::write(&event)).as_ref(), Ok(&event));
    End::Understood
}
