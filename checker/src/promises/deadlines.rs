//! The deadlines that commands set.

use serde_json::Value;

use super::circumstances::Circumstances;
use crate::defaults::PAUSED_AT;
use crate::time::milliseconds;

/// The deadline that a command sets which takes effect at this time.
pub(super) fn ordered(command: Option<&Value>, at: i64) -> Option<i64> {
    let until = command.and_then(|command| milliseconds(command.get("until")?.as_str()?));
    let length = command.and_then(|command| command.get("for_seconds")?.as_i64());
    until.or(length.map(|seconds| at.saturating_add(seconds.saturating_mul(1000))))
}

/// Between which times the deadline lies of a pause that a default makes: a limit that was lowered brings it down. `None`: no
/// default has made it.
pub(super) fn of_default(command: Option<&Value>, circumstances: Circumstances) -> Option<(i64, i64)> {
    let begun = command.and_then(|command| milliseconds(command.get(PAUSED_AT)?.as_str()?))?;
    let (least, most) = (begun + circumstances.least_max_pause_ms, begun + circumstances.max_pause_ms);
    Some(ordered(command, begun).map_or((least, most), |until| (until.min(least), until)))
}

/// From when on the longest pause is reckoned: a default's pauses end with it, whenever they began.
pub(super) fn begun_by(command: Option<&Value>, at: i64) -> i64 {
    command.and_then(|command| milliseconds(command.get(PAUSED_AT)?.as_str()?)).unwrap_or(at)
}
