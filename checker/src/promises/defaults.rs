//! What the record of a partition says of its default, against what commands for `*` made of it.

use std::collections::HashMap;

use serde::Deserialize;

use super::circumstances::Circumstances;
use super::documents::Pause;
use super::story::Wrong;
use crate::defaults::{Defaults, InForce, PAUSED_AT, Partition, Standing};
use crate::gather::Topics;
use crate::record::{Log, Record};
use crate::time::milliseconds;

#[derive(Deserialize)]
struct Document {
    default_pause: Option<Public>,
}

#[derive(Deserialize)]
struct Public {
    command_offset: i64,
    #[serde(flatten)]
    pause: Pause,
}

/// Every default that a record has is what the commands up to the one that it names made of it, and none goes back. The last
/// record of a partition has the default that stands there: one that has come to its deadline may be there or not.
pub(super) fn defaults(
    log: &Log,
    defaults: &Defaults,
    topics: Topics<'_>,
    circumstances: Circumstances,
    wrong: &mut Wrong<'_>,
) {
    let mut of: HashMap<i32, Vec<&Record>> = HashMap::new();
    for record in log.state.iter().filter(|record| record.key.as_deref() == Some(b"")) {
        of.entry(record.partition).or_default().push(record);
    }
    for (partition, records) in &mut of {
        records.sort_by_key(|record| record.offset);
        let mut newest = -1;
        for record in &*records {
            let mut wrong = |why: &str| wrong(&None, topics.place("state", record), format!("its default {why}"));
            let public = match read(record) {
                Ok(None) => continue,
                Ok(Some(public)) => public,
                Err(()) => {
                    wrong("cannot be read");
                    continue;
                }
            };
            match defaults.paused_by(*partition, public.command_offset) {
                None => wrong("was made by no pause of `*`"),
                Some(_) if public.command_offset < newest => wrong("was another one before"),
                Some(standing) => {
                    newest = public.command_offset;
                    if let Some(field) = differs(standing, &public.pause, circumstances) {
                        wrong(&format!("has a {field} that is not what commands for `*` made it"));
                    }
                }
            }
        }
    }
    for (partition, answers) in defaults.partitions().filter(|_| !log.state.is_empty()) {
        let last = of.get(&partition).and_then(|records| records.last().copied());
        if let Some(why) = last_is_wrong(answers, last) {
            let answer = answers.answers.last().map(|answer| answer.place.clone());
            let at = last.map(|record| topics.place("state", record)).or(answer);
            at.into_iter().for_each(|at| wrong(&None, at, why.to_owned()));
        }
    }
}

fn read(record: &Record) -> Result<Option<Public>, ()> {
    let document: Document = serde_json::from_slice(record.value.as_deref().unwrap_or(b"{}")).map_err(drop)?;
    Ok(document.default_pause)
}

/// Why a partition's last record is not what its last answer left behind.
fn last_is_wrong(partition: &Partition, last: Option<&Record>) -> Option<&'static str> {
    let standing = partition.answers.last()?.default.as_ref();
    let public = last.and_then(|record| read(record).ok()?);
    let in_force = |standing: &Standing| standing.in_force(last.map(|record| record.timestamp_ms)) == InForce::Yes;
    match (standing, public) {
        (Some(standing), Some(public)) if public.command_offset != standing.newest => {
            Some("has a default that is not the newest")
        }
        (Some(_), None) if last.is_none() => Some("leaves a default of which no record tells"),
        (Some(standing), None) if in_force(standing) => Some("has no default, although one is in force"),
        (None, Some(_)) => Some("has a default, although none stands"),
        _ => None,
    }
}

/// The field that differs.
fn differs(standing: &Standing, public: &Pause, circumstances: Circumstances) -> Option<&'static str> {
    let ordered = |name: &str| &standing.command[name];
    let text = |name: &str, default: Option<&'static str>| ordered(name).as_str().or(default).map(str::to_owned);
    let begun = ordered(PAUSED_AT).as_str().and_then(milliseconds);
    let until = ordered("until").as_str().and_then(milliseconds);
    let (least, most) = (circumstances.least_max_pause_ms, circumstances.max_pause_ms);
    let deadline = milliseconds(&public.resumes_at).zip(begun).is_none_or(|(deadline, begun)| match until {
        // A limit that was lowered brings it down.
        Some(until) => deadline == until || (begun + least..until).contains(&deadline),
        None => (begun + least..=begun + most).contains(&deadline),
    });
    let fields = [
        ("id", public.id == standing.pause_id()),
        ("paused_at", begun.is_none() || milliseconds(&public.paused_at) == begun),
        ("resumes_at", deadline),
        ("new_records", public.new_records == text("new_records", Some("queue"))),
        ("keep", public.keep == text("keep", Some("latest"))),
        ("on_expiry", public.on_expiry == text("on_expiry", Some("resume"))),
        ("expiry_rate", public.expiry_rate == ordered("expiry_rate").as_f64()),
        ("by", public.by == text("issued_by", None)),
        ("reason", public.reason == text("reason", None)),
    ];
    fields.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
}
