//! Reads the value of an event: docs/contract.md, "Events", in the checker's own words.

use std::borrow::Cow;

use serde::Deserializer as _;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::report::Kind;

/// An event that can be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Understood<'a> {
    pub flow: Cow<'a, str>,
    pub record: Cow<'a, str>,
    pub kind: Kind,
    /// It may be an event or a dead letter (`"kind": null`, `"version": 1.0`, an integer beyond 64 bits): what became of it decides.
    /// The contract says which, and the first two are dead letters; this reader is more tolerant.
    pub doubtful: bool,
}

/// An event that must become a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken<'a> {
    /// The flow, where that much can be read.
    pub flow: Option<Cow<'a, str>>,
    pub why: &'static str,
}

const FLOW_BYTES: usize = 100;
const RECORD_BYTES: usize = 256;

/// Reads an event's value.
pub(crate) fn understand(value: Option<&[u8]>) -> Result<Understood<'_>, Broken<'_>> {
    let flowless = |why| Broken { flow: None, why };
    let bytes = value.ok_or(flowless("null value"))?;
    let text = std::str::from_utf8(bytes).map_err(|_| flowless("not UTF-8"))?;
    let fields = read(text).map_err(|_| flowless("not a JSON object"))?;
    let flow = match &fields.flow {
        Field::Once(raw) => string(raw).filter(|flow| (1..=FLOW_BYTES).contains(&flow.len()) && flow != "*"),
        Field::Absent | Field::Twice => None,
    };
    let Some(flow) = flow else { return Err(flowless("flow_id")) };
    match interpret(&fields) {
        Ok((record, kind, doubtful)) => Ok(Understood { flow, record, kind, doubtful }),
        Err(why) => Err(Broken { flow: Some(flow), why }),
    }
}

/// Whether a stricter reader could refuse the document: numbers out of range, lone surrogates, very deep nesting are
/// JSON by the grammar, and refused by most readers. The contract lets them pass in the upstream's own fields; both are
/// taken for right here.
pub(crate) fn is_odd(value: Option<&[u8]>) -> bool {
    value.is_none_or(|bytes| serde_json::from_slice::<serde_json::Value>(bytes).is_err())
}

fn interpret<'a>(fields: &Fields<'a>) -> Result<(Cow<'a, str>, Kind, bool), &'static str> {
    let mut doubtful = false;
    match fields.version {
        Field::Absent | Field::Once("1") => {}
        Field::Once("null" | "1.0") => doubtful = true,
        Field::Once(_) => return Err("version"),
        Field::Twice => return Err("version twice"),
    }
    let kind = match fields.kind {
        Field::Absent => Kind::Enroll,
        Field::Once("null") => {
            doubtful = true;
            Kind::Enroll
        }
        Field::Once(raw) => string(raw).and_then(|word| Kind::from_word(&word)).ok_or("kind")?,
        Field::Twice => return Err("kind twice"),
    };
    let record = match fields.record {
        Field::Once(raw) => match string(raw) {
            Some(text) => text,
            None => {
                let (text, in_doubt) = integer(raw).ok_or("record_id")?;
                doubtful |= in_doubt;
                text
            }
        },
        Field::Absent => return Err("record_id"),
        Field::Twice => return Err("record_id twice"),
    };
    if !(1..=RECORD_BYTES).contains(&record.len()) {
        return Err("record_id");
    }
    Ok((record, kind, doubtful))
}

/// The text of a JSON string; `None` for anything else.
fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
}

/// The decimal text of a JSON integer, and whether a reader with 64-bit integers may see something else.
fn integer(raw: &str) -> Option<(Cow<'_, str>, bool)> {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fits = raw.parse::<i64>().is_ok() || raw.parse::<u64>().is_ok();
    match raw {
        "-0" => Some((Cow::Borrowed("0"), true)),
        _ => Some((Cow::Borrowed(raw), !fits)),
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Field<'a> {
    #[default]
    Absent,
    Once(&'a str),
    Twice,
}

impl<'a> Field<'a> {
    fn set(&mut self, raw: &'a RawValue) {
        *self = match self {
            Self::Absent => Self::Once(raw.get()),
            Self::Once(_) | Self::Twice => Self::Twice,
        };
    }
}

/// The four fields that are ours, as raw JSON.
#[derive(Debug, Default)]
struct Fields<'a> {
    version: Field<'a>,
    flow: Field<'a>,
    record: Field<'a>,
    kind: Field<'a>,
}

fn read(text: &str) -> Result<Fields<'_>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let fields = reader.deserialize_map(Members)?;
    reader.end()?;
    Ok(fields)
}

struct Members;

impl<'a> Visitor<'a> for Members {
    type Value = Fields<'a>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Fields<'a>, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<Name>()? {
            let field = match name {
                Name::Version => &mut fields.version,
                Name::Flow => &mut fields.flow,
                Name::Record => &mut fields.record,
                Name::Kind => &mut fields.kind,
                Name::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            field.set(map.next_value::<&'a RawValue>()?);
        }
        Ok(fields)
    }
}

enum Name {
    Version,
    Flow,
    Record,
    Kind,
    Other,
}

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a field name")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
                Ok(match name {
                    "version" => Name::Version,
                    "flow_id" => Name::Flow,
                    "record_id" => Name::Record,
                    "kind" => Name::Kind,
                    _ => Name::Other,
                })
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> (Option<String>, &'static str) {
        let broken = understand(Some(text.as_bytes())).unwrap_err();
        (broken.flow.map(Cow::into_owned), broken.why)
    }

    #[test]
    fn understands_events() {
        let plain = understand(Some(br#"{"flow_id":"f","record_id":"r"}"#)).unwrap();
        assert_eq!((&*plain.flow, &*plain.record, plain.kind, plain.doubtful), ("f", "r", Kind::Enroll, false));
        let number =
            understand(Some(br#" {"x":{"kind":1},"kind":"advance","version":1,"record_id":-12,"flow_id":"\u0066"} "#));
        let number = number.unwrap();
        assert_eq!((&*number.flow, &*number.record, number.kind), ("f", "-12", Kind::Advance));
        assert!(understand(Some(br#"{"flow_id":"f","record_id":1,"kind":null}"#)).unwrap().doubtful);
        assert!(understand(Some(br#"{"flow_id":"f","record_id":123456789012345678901}"#)).unwrap().doubtful);
    }

    #[test]
    fn tells_what_is_broken() {
        let flow = Some("f".to_owned());
        assert_eq!(understand(None).unwrap_err().why, "null value");
        assert_eq!(understand(Some(b"{\"flow_id\":\"\xff\"}")).unwrap_err().why, "not UTF-8");
        for text in ["", "[]", "1", "{", r#"{"flow_id":"f","record_id":1} x"#] {
            assert_eq!(why(text), (None, "not a JSON object"), "{text}");
        }
        let long = format!(r#"{{"flow_id":"{}","record_id":1}}"#, "f".repeat(101));
        for text in [
            r#"{"record_id":1}"#,
            r#"{"flow_id":"*","record_id":1}"#,
            r#"{"flow_id":"","record_id":1}"#,
            r#"{"flow_id":7,"record_id":1}"#,
            r#"{"flow_id":"f","flow_id":"f","record_id":1}"#,
            &long,
        ] {
            assert_eq!(why(text), (None, "flow_id"), "{text}");
        }
        for (text, reason) in [
            (r#"{"flow_id":"f"}"#, "record_id"),
            (r#"{"flow_id":"f","record_id":""}"#, "record_id"),
            (r#"{"flow_id":"f","record_id":1.5}"#, "record_id"),
            (r#"{"flow_id":"f","record_id":null}"#, "record_id"),
            (r#"{"flow_id":"f","record_id":1,"record_id":1}"#, "record_id twice"),
            (r#"{"flow_id":"f","record_id":1,"kind":"Enroll"}"#, "kind"),
            (r#"{"flow_id":"f","record_id":1,"kind":"enroll","kind":"enroll"}"#, "kind twice"),
            (r#"{"flow_id":"f","record_id":1,"version":2}"#, "version"),
            (r#"{"flow_id":"f","record_id":1,"version":"1"}"#, "version"),
        ] {
            assert_eq!(why(text), (flow.clone(), reason), "{text}");
        }
    }
}
