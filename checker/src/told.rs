//! What the audit tells: where something took effect, and what a command was answered.

use serde::Deserialize;
use serde_json::Value;

use crate::Place;

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Position {
    pub input: i64,
    #[serde(default)]
    pub control: i64,
    pub entry: u64,
    pub watermark: u64,
}

/// One partition's answer to a command.
#[derive(Debug)]
pub(crate) struct Answer {
    pub flow_id: Option<String>,
    pub partition: i32,
    pub position: Position,
    /// By the gate's clock.
    pub told_ms: Option<i64>,
    pub outcome: String,
    pub repeated: bool,
    pub place: Place,
    pub document: Option<Value>,
}
