//! A command is understood, or answered with a sentence, or a dead letter; and it stays what it is when it is written.

use flowgate::flow::{Action, Command};
use flowgate::schema::command::{self, MAX_ISSUED_BY, MAX_REASON};

use super::{End, sentence};

pub fn check(bytes: &[u8]) -> End {
    let command = match command::read(Some(bytes)) {
        Ok(command) => command,
        Err(unreadable) => return sentence::check(&unreadable.detail, unreadable.field.unwrap_or("value")),
    };
    let Command { issued_by, reason, action, .. } = &command;
    assert!(!issued_by.is_empty() && issued_by.len() <= MAX_ISSUED_BY, "{issued_by}");
    assert!(reason.as_ref().is_none_or(|reason| reason.len() <= MAX_REASON), "{reason:?}");
    if let Action::Invalid { word, why } = action {
        // 40 characters at most, and what another gate said of it.
        assert!(word.chars().count() <= 40 && why.chars().count() <= 1000, "{action:?}");
    }
    assert_eq!(command::read(Some(&command::write(&command))).as_ref(), Ok(&command), "written and read");
    if let Action::Invalid { .. } = action { End::Refused } else { End::Understood }
}
