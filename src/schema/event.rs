//! Enrollment events, as upstream sends them.

use super::json::VERSION;
use super::object::{self, Scalar, Slot, wrong_type};
use super::unreadable::quote;
use super::{Reason, Unreadable};
use crate::flow::id::{FlowIdRef, Invalid, RecordIdRef};
use crate::flow::{Event, Kind};

/// The fields that are the gate's; all others are the upstream's own.
const FIELDS: [&str; 4] = [FLOW_ID, RECORD_ID, "kind", "version"];
pub(super) const FLOW_ID: &str = "flow_id";
const RECORD_ID: &str = "record_id";

/// An event, as far as the gate understands it, borrowed from the value that it was read from: most are of live flows, and
/// pass on without a copy of anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    pub flow: FlowIdRef<'a>,
    pub record: RecordIdRef<'a>,
    pub kind: Kind,
}

/// Reads the value of an enrollment event. The value itself passes on as it is: nothing is kept of it but these fields.
///
/// # Errors
/// As [`see`].
pub fn read(value: Option<&[u8]>) -> Result<Event, Unreadable> {
    Ok(see(value)?.to_event())
}

impl Seen<'_> {
    /// The event, with ids of its own.
    #[must_use]
    pub fn to_event(&self) -> Event {
        Event { flow: self.flow.to_id(), record: self.record.to_id(), kind: self.kind }
    }
}

/// Reads the value of an enrollment event without taking anything out of it.
///
/// The upstream's own fields need only be JSON by its grammar: they may nest to any depth, repeat, and hold numbers
/// of any size and halves of surrogate pairs.
///
/// # Errors
/// [`Unreadable`]: the event is a dead letter. Of several faults the first counts, in this order: the value as a
/// whole, `version`, `flow_id`, `record_id`, `kind`.
pub fn see(value: Option<&[u8]>) -> Result<Seen<'_>, Unreadable> {
    let [flow, record, kind, version] = object::scan(value, &FIELDS)?;
    let flow = flow_id(flow);
    let version = read_version(version);
    let of = |unreadable: Unreadable, flow: Option<&FlowIdRef<'_>>| unreadable.of(flow.map(FlowIdRef::to_id));
    version.map_err(|unreadable| of(unreadable, flow.as_ref().ok()))?;
    let flow = flow?;
    let rest = record_id(record).and_then(|record| Ok((record, read_kind(kind)?)));
    let (record, kind) = rest.map_err(|unreadable| of(unreadable, Some(&flow)))?;
    Ok(Seen { flow, record, kind })
}

/// What the gate says of a version that is not its own; absent is 1.
pub(super) fn read_version(slot: Slot<'_>) -> Result<(), Unreadable> {
    const FIELD: &str = "version";
    match slot.value(FIELD)? {
        None => Ok(()),
        Some(Scalar::Integer("1")) => Ok(()),
        Some(Scalar::Integer(version)) if version.starts_with('-') || version == "0" => Err(Unreadable::field(
            Reason::UnknownVersion,
            FIELD,
            format_args!("{} never was; send {VERSION} or leave it out", quote(version)),
        )),
        Some(Scalar::Integer(version)) => Err(Unreadable::field(
            Reason::NewerVersion,
            FIELD,
            format_args!("{} is newer than this gate, which reads {VERSION}; update the gate", quote(version)),
        )),
        Some(other) => Err(wrong_type(FIELD, &other, "the integer 1 or leave it out")),
    }
}

fn flow_id(slot: Slot<'_>) -> Result<FlowIdRef<'_>, Unreadable> {
    FlowIdRef::new(slot.text(FLOW_ID)?).map_err(|why| invalid(FLOW_ID, why))
}

pub(super) fn invalid(field: &'static str, why: Invalid) -> Unreadable {
    let reason = match why {
        Invalid::Empty { .. } => Reason::Empty,
        Invalid::TooLong { .. } => Reason::TooLong,
        Invalid::Star => Reason::EveryFlow,
    };
    Unreadable::field(reason, field, why)
}

fn record_id(slot: Slot<'_>) -> Result<RecordIdRef<'_>, Unreadable> {
    const WANTED: &str = "a string or an integer";
    let Some(value) = slot.value(RECORD_ID)? else {
        return Err(Unreadable::field(Reason::MissingField, RECORD_ID, format_args!("is missing; send {WANTED}")));
    };
    let id = value.id().map_err(|other| wrong_type(RECORD_ID, &other, WANTED))?;
    RecordIdRef::new(id).map_err(|why| invalid(RECORD_ID, why))
}

fn read_kind(slot: Slot<'_>) -> Result<Kind, Unreadable> {
    const FIELD: &str = "kind";
    const FIX: &str = "send enroll, advance or withdraw";
    match slot.value(FIELD)? {
        None => Ok(Kind::Enroll),
        Some(Scalar::Text(word)) => Kind::from_word(&word).ok_or_else(|| {
            Unreadable::field(Reason::UnknownKind, FIELD, format_args!("{} is unknown; {FIX}", quote(&word)))
        }),
        Some(other) => Err(wrong_type(FIELD, &other, "a string: enroll, advance or withdraw")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{FlowId, RecordId};

    fn event(flow: &str, record: &str, kind: Kind) -> Event {
        Event { flow: FlowId::new(flow).unwrap(), record: RecordId::new(record).unwrap(), kind }
    }

    fn good(json: &str) -> Event {
        read(Some(json.as_bytes())).unwrap()
    }

    #[track_caller]
    fn bad(json: impl AsRef<[u8]>, reason: Reason, field: Option<&str>, flow: Option<&str>) {
        let found = read(Some(json.as_ref())).unwrap_err();
        let of = found.flow.as_ref().map(FlowId::as_str);
        assert_eq!((found.reason, found.field, of), (reason, field, flow), "{}", found.detail);
        assert!(found.detail.contains(field.unwrap_or("value")), "names no field: {}", found.detail);
        assert!(found.detail.len() < 300, "too long for a header: {}", found.detail);
    }

    #[test]
    fn reads_the_gates_fields_and_no_others() {
        assert_eq!(good(r#"{"flow_id":"a","record_id":"r"}"#), event("a", "r", Kind::Enroll));
        let full = r#" {"x":[{"flow_id":"no"}],"kind":"advance","version":1,"record_id":"r","flow_id":"a","x":1} "#;
        assert_eq!(good(full), event("a", "r", Kind::Advance));
    }

    #[test]
    fn escapes_are_resolved_in_names_and_values() {
        assert_eq!(
            good(r#"{"flow\u005fid":"\u0061","record_id":"\ud83d\ude00\n","kind":"\u0077ithdraw"}"#),
            event("a", "😀\n", Kind::Withdraw)
        );
        assert_eq!(good(r#"{"flow_id":"\"","record_id":"\"q\""}"#), event("\"", "\"q\"", Kind::Enroll));
        bad(r#"{"flow_id":"a","flow\u005fid":"b","record_id":1}"#, Reason::DuplicateField, Some("flow_id"), None);
    }

    #[test]
    fn an_integer_is_its_decimal_string() {
        for (json, id) in [
            ("0", "0"),
            ("-0", "0"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("18446744073709551615", "18446744073709551615"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            assert_eq!(good(&format!(r#"{{"flow_id":"a","record_id":{json} }}"#)), event("a", id, Kind::Enroll));
        }
        for json in ["1.0", "1e3", "1E3", "-0.5", "true", "null", "[1]", "{}"] {
            let value = format!(r#"{{"flow_id":"a","record_id":{json}}}"#);
            bad(value, Reason::WrongType, Some("record_id"), Some("a"));
        }
        let long = format!(r#"{{"flow_id":"a","record_id":{}}}"#, "9".repeat(257));
        bad(long, Reason::TooLong, Some("record_id"), Some("a"));
    }

    #[test]
    fn limits_are_bytes() {
        let of = |flow: &str, record: &str| format!(r#"{{"flow_id":"{flow}","record_id":"{record}"}}"#);
        let (flow, record) = ("流".repeat(33) + "x", "é".repeat(128));
        assert_eq!(good(&of(&flow, &record)), event(&flow, &record, Kind::Enroll));
        bad(of(&(flow.clone() + "x"), "r"), Reason::TooLong, Some("flow_id"), None);
        bad(of(&flow, &(record + "x")), Reason::TooLong, Some("record_id"), Some(&flow));
        bad(of("", "r"), Reason::Empty, Some("flow_id"), None);
        bad(of("a", ""), Reason::Empty, Some("record_id"), Some("a"));
        bad(of("*", "r"), Reason::EveryFlow, Some("flow_id"), None);
        assert_eq!(good(&of("**", "*")), event("**", "*", Kind::Enroll));
    }

    #[test]
    fn what_is_no_object_is_told_apart() {
        let null = read(None).unwrap_err();
        assert_eq!(null.reason, Reason::NullValue);
        bad(b"{\"flow_id\":\"\xff\"}", Reason::NotUtf8, None, None);
        bad([], Reason::NotJson, None, None);
        bad("\u{feff}{}", Reason::NotJson, None, None);
        bad("{\"flow_id\":\"a\",\"record_id\":1", Reason::NotJson, None, None);
        bad(r#"{"flow_id":"a","record_id":1} x"#, Reason::NotJson, None, None);
        bad(r#"{"flow_id":"a","record_id":1}{}"#, Reason::NotJson, None, None);
        bad("[1", Reason::NotJson, None, None);
        for json in ["[]", "\"{}\"", "1", "null", "true"] {
            bad(json, Reason::NotAnObject, None, None);
        }
    }

    #[test]
    fn any_depth_passes_in_foreign_fields_and_none_overflows_in_the_gates() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(good(&format!(r#"{{"x":{deep},"flow_id":"a","record_id":1}}"#)), event("a", "1", Kind::Enroll));
        bad(format!(r#"{{"record_id":{deep},"flow_id":"a"}}"#), Reason::WrongType, Some("record_id"), Some("a"));
        bad("{\"x\":".repeat(1_000_000), Reason::NotJson, None, None);
        bad("[".repeat(1_000_000), Reason::NotJson, None, None);
    }

    #[test]
    fn half_a_character_is_no_text() {
        bad(r#"{"flow_id":"\ud800","record_id":1}"#, Reason::LoneSurrogate, Some("flow_id"), None);
        bad(r#"{"flow_id":"a","record_id":"\udc00x"}"#, Reason::LoneSurrogate, Some("record_id"), Some("a"));
        assert_eq!(good(r#"{"flow_id":"a","record_id":1,"x":"\ud800"}"#), event("a", "1", Kind::Enroll));
    }

    #[test]
    fn a_dead_letter_counts_for_its_flow_whatever_the_order_of_fields() {
        bad(r#"{"record_id":1}"#, Reason::MissingField, Some("flow_id"), None);
        bad(r#"{"flow_id":7,"record_id":1}"#, Reason::WrongType, Some("flow_id"), None);
        bad(r#"{"flow_id":"a"}"#, Reason::MissingField, Some("record_id"), Some("a"));
        bad(r#"{"kind":"leave","record_id":1,"flow_id":"a"}"#, Reason::UnknownKind, Some("kind"), Some("a"));
        bad(r#"{"kind":null,"record_id":1,"flow_id":"a"}"#, Reason::WrongType, Some("kind"), Some("a"));
        bad(r#"{"record_id":1,"record_id":1,"flow_id":"a"}"#, Reason::DuplicateField, Some("record_id"), Some("a"));
        bad(
            r#"{"kind":"enroll","kind":"enroll","record_id":1,"flow_id":"a"}"#,
            Reason::DuplicateField,
            Some("kind"),
            Some("a"),
        );
        let kind = format!(r#"{{"kind":"{}","record_id":1,"flow_id":"a"}}"#, "k".repeat(100_000));
        bad(kind, Reason::UnknownKind, Some("kind"), Some("a"));
    }

    #[test]
    fn a_newer_version_is_a_reason_of_its_own() {
        let of = |version: &str| format!(r#"{{"flow_id":"a","version":{version}}}"#);
        bad(of("2"), Reason::NewerVersion, Some("version"), Some("a"));
        bad(of("99999999999999999999999999"), Reason::NewerVersion, Some("version"), Some("a"));
        bad(of("0"), Reason::UnknownVersion, Some("version"), Some("a"));
        bad(of("-1"), Reason::UnknownVersion, Some("version"), Some("a"));
        bad(of("\"1\""), Reason::WrongType, Some("version"), Some("a"));
        bad(of("1.0"), Reason::WrongType, Some("version"), Some("a"));
        bad(of("1,\"version\":1"), Reason::DuplicateField, Some("version"), Some("a"));
    }
}
