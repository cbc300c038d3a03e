//! Control commands, as operators send them.
//!
//! What names a command and a flow is answered, so that whoever sent it learns what is wrong: only the rest is a dead
//! letter.

use std::num::NonZeroU64;

use serde::Serialize;

use super::Unreadable;
use super::event::{FLOW_ID, invalid};
use super::instant::Instant;
use super::json::{VERSION, json};
use super::object::Slot;
use super::order::{self, Options};
use super::rate::PerSecond;
use super::words::Word as _;
use crate::flow::{
    AcceptLossOrder, Action, Command, CommandId, FlowId, PauseEnd, PauseOrder, PurgeOrder, RecordId, ReleaseOrder,
    ResumeOrder, Target,
};
use crate::time::Timestamp;

/// The longest `issued_by`, in bytes: it is kept in the state of the flow.
pub const MAX_ISSUED_BY: usize = 256;
/// The longest `reason`, in bytes: it is kept in the state of the flow.
pub const MAX_REASON: usize = 1024;

/// Who issued a command that does not say so. Such a command orders nothing.
const NOBODY: &str = "unknown";

/// Reads a command. Fields that are no option of any action are ignored.
///
/// # Errors
/// [`Unreadable`] if the value is no JSON object, or has no valid `command_id` or `flow_id`. Whatever else is wrong
/// makes it an [`Action::Invalid`].
pub fn read(value: Option<&[u8]>) -> Result<Command, Unreadable> {
    let options = Options::scan(value)?;
    let target = target(options.slot(FLOW_ID));
    let known = match &target {
        Ok(Target::Flow(flow)) => Some(flow.clone()),
        Ok(Target::Every) | Err(_) => None,
    };
    let id = command_id(options.slot("command_id")).map_err(|unreadable| unreadable.of(known))?;
    Ok(command(&options, id, target?))
}

fn command_id(slot: Slot<'_>) -> Result<CommandId, Unreadable> {
    const FIELD: &str = "command_id";
    CommandId::new(&slot.text(FIELD)?).map_err(|why| invalid(FIELD, why))
}

fn target(slot: Slot<'_>) -> Result<Target, Unreadable> {
    match &*slot.text(FLOW_ID)? {
        "*" => Ok(Target::Every),
        text => FlowId::new(text).map(Target::Flow).map_err(|why| invalid(FLOW_ID, why)),
    }
}

fn command(options: &Options<'_>, id: CommandId, target: Target) -> Command {
    let issued_by = options.text("issued_by", 1, MAX_ISSUED_BY);
    let issued_at = options.time("issued_at");
    let reason = options.text("reason", 0, MAX_REASON);
    let faults = [order::version(options), order::marked(options)];
    let faults = faults.into_iter().chain([
        issued_by.clone().and_then(|by| by.map(drop).ok_or("issued_by is missing; say who or what sends it".into())),
        issued_at.clone().map(drop),
        reason.clone().map(drop),
    ]);
    let expect = order::expect(options);
    let faults = faults.chain([expect.clone().map(drop)]);
    let action = faults.collect::<Result<(), String>>().and_then(|()| order::action(options));
    Command {
        id,
        target,
        action: action.unwrap_or_else(|why| Action::Invalid { word: order::word(options), why }),
        issued_by: issued_by.ok().flatten().unwrap_or_else(|| NOBODY.to_owned()),
        issued_at: issued_at.ok().flatten(),
        reason: reason.ok().flatten(),
        expect: expect.unwrap_or_default(),
    }
}

/// Writes a command.
///
/// An [`Action::Invalid`] is written with its reason in the field `invalid` (in the audit), so that it stays one when it
/// is read again.
#[must_use]
pub fn write(command: &Command) -> Vec<u8> {
    json(&Wire::of(command))
}

/// Writes an action with its options, whoever orders it for whatever flow. Equal orders are equal byte for byte.
#[must_use]
pub fn order(action: &Action) -> String {
    #[derive(Serialize)]
    struct Order<'a> {
        action: &'a str,
        #[serde(flatten)]
        options: OptionsWire<'a>,
    }
    String::from_utf8(json(&Order { action: action.word(), options: OptionsWire::of(action) })).unwrap_or_default()
}

#[derive(Serialize)]
pub(super) struct Wire<'a> {
    version: u32,
    command_id: &'a str,
    flow_id: &'a str,
    action: &'a str,
    #[serde(flatten)]
    options: OptionsWire<'a>,
    issued_by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expect: Option<ExpectWire<'a>>,
}

#[derive(Serialize)]
struct ExpectWire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pause_id: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_entry: Option<u64>,
}

/// The options of all actions; an absent one is not written.
#[derive(Default, Serialize)]
struct OptionsWire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    new_records: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    for_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_expiry: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_rate: Option<PerSecond>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rate: Option<PerSecond>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_ids: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    through_entry: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid: Option<&'a str>,
}

impl<'a> OptionsWire<'a> {
    fn of(action: &'a Action) -> Self {
        match action {
            Action::Pause(PauseOrder { new_records, end, keep, on_expiry, expiry_rate }) => Self {
                new_records: new_records.map(|choice| choice.word()),
                until: end.and_then(until).map(Instant),
                for_seconds: end.and_then(seconds),
                keep: keep.map(|choice| choice.word()),
                on_expiry: on_expiry.map(|choice| choice.word()),
                expiry_rate: expiry_rate.map(PerSecond),
                ..Self::default()
            },
            Action::Resume(ResumeOrder { release, max_rate, max_age }) => Self {
                release: release.map(|choice| choice.word()),
                max_rate: max_rate.map(PerSecond),
                max_age_seconds: max_age.map(|age| age.as_secs()),
                ..Self::default()
            },
            Action::Release(ReleaseOrder::Count(count)) => Self { count: Some(count.get()), ..Self::default() },
            Action::Release(ReleaseOrder::Records(ids)) => {
                Self { record_ids: Some(ids.iter().map(RecordId::as_str).collect()), ..Self::default() }
            }
            Action::Purge(PurgeOrder { through_entry }) => {
                Self { through_entry: through_entry.map(NonZeroU64::get), ..Self::default() }
            }
            Action::AcceptLoss(AcceptLossOrder { at_most }) => Self { at_most: Some(at_most.get()), ..Self::default() },
            Action::Forget => Self::default(),
            Action::Invalid { why, .. } => Self { invalid: Some(why), ..Self::default() },
        }
    }
}

impl<'a> Wire<'a> {
    pub(super) fn of(command: &'a Command) -> Self {
        Self {
            version: VERSION,
            command_id: command.id.as_str(),
            flow_id: match &command.target {
                Target::Flow(flow) => flow.as_str(),
                Target::Every => "*",
            },
            action: command.action.word(),
            options: OptionsWire::of(&command.action),
            issued_by: &command.issued_by,
            issued_at: command.issued_at.map(Instant),
            reason: command.reason.as_deref(),
            expect: (!command.expect.is_nothing()).then(|| ExpectWire {
                pause_id: command.expect.pause.as_ref().map(|pause| pause.as_deref()),
                next_entry: command.expect.next_entry,
            }),
        }
    }
}

fn until(end: PauseEnd) -> Option<Timestamp> {
    match end {
        PauseEnd::Until(time) => Some(time),
        PauseEnd::For(_) => None,
    }
}

fn seconds(end: PauseEnd) -> Option<u64> {
    match end {
        PauseEnd::Until(_) => None,
        PauseEnd::For(duration) => Some(duration.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::*;
    use crate::flow::Expect;

    fn good(json: &str) -> Command {
        read(Some(json.as_bytes())).unwrap()
    }

    fn with(fields: &str) -> Command {
        good(&format!(r#"{{"command_id":"c","flow_id":"a","issued_by":"op",{fields}}}"#))
    }

    /// It is answered, with a sentence that names the field.
    #[track_caller]
    fn refused(command: &Command, word: &str, field: &str) {
        let Action::Invalid { word: found, why } = &command.action else { panic!("{command:?}") };
        assert_eq!(found, word);
        assert!(why.starts_with(&format!("{field} ")), "{why}");
        assert!(why.len() < 400, "{why}");
        assert_eq!(read(Some(&write(command))).as_ref(), Ok(command), "stays refused when it is written and read");
    }

    #[track_caller]
    fn dead(json: &str, reason: Reason, field: Option<&str>, flow: Option<&str>) {
        let found = read(Some(json.as_bytes())).unwrap_err();
        let of = found.flow.as_ref().map(FlowId::as_str);
        assert_eq!((found.reason, found.field, of), (reason, field, flow), "{}", found.detail);
    }

    #[test]
    fn what_names_no_command_or_no_flow_is_a_dead_letter() {
        dead(r#"{"flow_id":"a","action":"pause"}"#, Reason::MissingField, Some("command_id"), Some("a"));
        dead(r#"{"command_id":"","flow_id":"a"}"#, Reason::Empty, Some("command_id"), Some("a"));
        dead(r#"{"command_id":7,"flow_id":"a"}"#, Reason::WrongType, Some("command_id"), Some("a"));
        dead(r#"{"command_id":"c","action":"pause"}"#, Reason::MissingField, Some("flow_id"), None);
        dead(r#"{"command_id":"c","flow_id":""}"#, Reason::Empty, Some("flow_id"), None);
        dead(r#"{"command_id":"c","flow_id":"a","flow_id":"b"}"#, Reason::DuplicateField, Some("flow_id"), None);
        dead(r#"{"command_id":"c","command_id":"d","flow_id":"*"}"#, Reason::DuplicateField, Some("command_id"), None);
        dead("pause a", Reason::NotJson, None, None);
        assert_eq!(read(None).unwrap_err().reason, Reason::NullValue);
    }

    #[test]
    fn whatever_else_is_wrong_is_answered() {
        for (fields, word, field) in [
            (r#""x":1"#, "unknown", "action"),
            (r#""action":7"#, "unknown", "action"),
            (r#""action":"pause","action":"pause""#, "unknown", "action"),
            (r#""action":"Pause""#, "Pause", "action"),
            (r#""action":"pause","version":2"#, "pause", "version"),
            (r#""action":"pause","version":"1""#, "pause", "version"),
            (r#""action":"pause","new_records":"drop""#, "pause", "new_records"),
            (r#""action":"pause","keep":null"#, "pause", "keep"),
            (r#""action":"pause","keep":"all","keep":"all""#, "pause", "keep"),
            (r#""action":"pause","until":"tomorrow""#, "pause", "until"),
            (r#""action":"pause","until":"2030-01-01T00:00:00Z","for_seconds":1"#, "pause", "until"),
            (r#""action":"pause","for_seconds":0"#, "pause", "for_seconds"),
            (r#""action":"pause","for_seconds":-1"#, "pause", "for_seconds"),
            (r#""action":"pause","for_seconds":1.5"#, "pause", "for_seconds"),
            (r#""action":"pause","for_seconds":"60""#, "pause", "for_seconds"),
            (r#""action":"pause","expiry_rate":99999999999999999999"#, "pause", "expiry_rate"),
            (r#""action":"pause","max_rate":5"#, "pause", "max_rate"),
            (r#""action":"resume","max_rate":0"#, "resume", "max_rate"),
            (r#""action":"resume","release":"some""#, "resume", "release"),
            (r#""action":"resume","until":"2030-01-01T00:00:00Z""#, "resume", "until"),
            (r#""action":"release","count":1,"record_ids":["r"]"#, "release", "count"),
            (r#""action":"release","count":10001"#, "release", "count"),
            (r#""action":"release""#, "release", "count"),
            (r#""action":"release","record_ids":[]"#, "release", "record_ids"),
            (r#""action":"release","record_ids":["r",true]"#, "release", "record_ids"),
            (r#""action":"release","record_ids":[[[]]]"#, "release", "record_ids"),
            (r#""action":"purge","count":1"#, "purge", "count"),
            (r#""action":"purge","through_entry":0"#, "purge", "through_entry"),
            (r#""action":"purge","expect":7"#, "purge", "expect"),
            (r#""action":"purge","expect":{"next_entri":1}"#, "purge", "expect"),
            (r#""action":"purge","expect":{"next_entry":0}"#, "purge", "expect"),
            (r#""action":"purge","expect":{"pause_id":1}"#, "purge", "expect"),
            (r#""action":"pause","issued_at":"yesterday""#, "pause", "issued_at"),
            (r#""action":"pause","reason":5"#, "pause", "reason"),
            (r#""action":"pause","reason":"\ud800""#, "pause", "reason"),
        ] {
            refused(&with(fields), word, field);
        }
        refused(&good(r#"{"command_id":"c","flow_id":"*","action":"pause"}"#), "pause", "issued_by");
        refused(&good(r#"{"command_id":"c","flow_id":"a","action":"pause","issued_by":""}"#), "pause", "issued_by");
        refused(&with(&format!(r#""action":"pause","reason":"{}""#, "流".repeat(342))), "pause", "reason");
        refused(&with(&format!(r#""action":"{}""#, "流".repeat(1000))), &"流".repeat(40), "action");
    }

    #[test]
    fn every_option_is_read() {
        let pause = with(
            r#""action":"pause","new_records":"discard","for_seconds":60,"keep":"all","on_expiry":"discard",
               "expiry_rate":7,"reason":"","issued_at":"2026-03-01T09:00:00.25+01:00","extra":{"keep":1},"extra":2"#,
        );
        let order = PauseOrder {
            new_records: Some(crate::flow::NewRecords::Discard),
            end: Some(PauseEnd::For(std::time::Duration::from_secs(60))),
            keep: Some(crate::flow::Keep::All),
            on_expiry: Some(crate::flow::OnExpiry::Discard),
            expiry_rate: crate::flow::Rate::new(7),
        };
        assert_eq!(pause.action, Action::Pause(order));
        assert_eq!(pause.reason.as_deref(), Some(""));
        assert_eq!(pause.issued_at, Some(Timestamp(1_772_352_000_250)));
        let resume = with(r#""action":"resume","release":"none","max_rate":1,"max_age_seconds":604800,"version":1"#);
        let order = ResumeOrder {
            release: Some(crate::flow::Release::None),
            max_rate: crate::flow::Rate::new(1),
            max_age: Some(std::time::Duration::from_secs(604_800)),
        };
        assert_eq!(resume.action, Action::Resume(order));
        let ids = ["r", "1", "0", "-0"].map(|id| RecordId::new(id).unwrap()).to_vec();
        let records = with(r#""action":"release","record_ids":["r",1,-0,"-0"]"#);
        assert_eq!(records.action, Action::Release(ReleaseOrder::Records(ids)));
        let count = with(r#""action":"release","count":10000,"expect":{"next_entry":12}"#);
        assert_eq!(count.expect, Expect { pause: None, next_entry: Some(12) });
        let purge = with(r#""action":"purge","through_entry":7,"expect":{"pause_id":null}"#);
        assert_eq!(purge.action, Action::Purge(PurgeOrder { through_entry: NonZeroU64::new(7) }));
        assert_eq!(purge.expect, Expect { pause: Some(None), next_entry: None });
        let forget = with(r#""action":"forget""#);
        assert_eq!(forget.action, Action::Forget);
        for command in [pause, resume, records, count, purge, forget] {
            assert_eq!(read(Some(&write(&command))), Ok(command));
        }
    }
}
