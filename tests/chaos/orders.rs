//! What of the operator's orders took effect.

use std::collections::BTreeMap;

use flowgate_checker::Log;
use serde_json::Value;

/// Each has to be applied at least once.
pub const WANTED: [&str; 9] = [
    "pause",
    "pause of every flow",
    "resume",
    "resume of every flow",
    "release",
    "release of named records",
    "purge",
    "forget",
    "accept_loss",
];

/// How often orders of each kind were applied. One for every flow counts for each partition.
pub fn applied(log: &Log) -> BTreeMap<String, u32> {
    let mut applied = BTreeMap::new();
    for record in &log.audit {
        let told: Value = serde_json::from_slice(record.value.as_deref().unwrap_or_default()).unwrap_or_default();
        if told["outcome"] != "applied" || told["repeated"] == true {
            continue;
        }
        let command = &told["command"];
        let of = match () {
            () if command["flow_id"] == "*" => " of every flow",
            () if command["record_ids"].is_array() => " of named records",
            () => "",
        };
        *applied.entry(format!("{}{of}", command["action"].as_str().unwrap_or_default())).or_default() += 1;
    }
    applied
}
