//! The deadlines that commands set.

use serde_json::Value;

use crate::defaults::PAUSED_AT;
use crate::time::milliseconds;

/// The deadline that a command sets which takes effect at this time.
pub(super) fn ordered(command: Option<&Value>, at: i64) -> Option<i64> {
    let until = command.and_then(|command| milliseconds(command.get("until")?.as_str()?));
    let length = command.and_then(|command| command.get("for_seconds")?.as_i64());
    until.or(length.map(|seconds| at.saturating_add(seconds.saturating_mul(1000))))
}

/// From when on the longest pause is reckoned: a default's pauses end with it, whenever they began.
pub(super) fn begun_by(command: Option<&Value>, at: i64) -> i64 {
    command.and_then(|command| milliseconds(command.get(PAUSED_AT)?.as_str()?)).unwrap_or(at)
}
