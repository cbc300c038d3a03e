//! Held events, letters and audit events as documents: what the command line and HTTP show of them is the same.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::audited::Told;
use super::depth::Point;
use super::held::Entry;
use super::letter_list::Listed;
use super::redriven::{Redrive, Redrives};

use crate::broker::Header;
use crate::flow::FlowId;
use crate::schema::Text;
use crate::schema::headers::Source;

/// A place in a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShownHeader {
    pub name: Text,
    /// Null: a header without a value.
    pub value: Option<Text>,
}

/// Key, value and headers of an event, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Content {
    pub key: Option<Text>,
    pub value: Option<Text>,
    // Of all that is flattened the document says no more than that it may be there.
    #[schema(required = false)]
    pub headers: Vec<ShownHeader>,
}

/// A held event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeldEvent {
    /// Entries of a flow are numbered from 1 on.
    pub entry: u64,
    /// `enroll` or `advance`.
    pub kind: &'static str,
    pub record_id: String,
    pub held_at: String,
    pub pause_id: String,
    /// `latest`: a later one of its kind and record replaces it; `all`: none does.
    pub keep: &'static str,
    /// What becomes of it when the flow is resumed as it stands: `released`, `replaced` or `removed`. Null: not everything held
    /// behind it was looked at.
    pub fate: Option<&'static str>,
    /// Where the event stands in the enrollments.
    pub source: Place,
    /// The event's own time, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Bytes of its value.
    pub bytes: usize,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Content)]
    pub content: Option<Content>,
}

/// An event, or a command, that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShownLetter {
    /// Partition and offset in its topic, as `3/58`: what a redrive is told.
    pub item: String,
    pub set_aside_at: String,
    pub reason: String,
    pub detail: String,
    /// Null: nothing in it names one.
    pub flow_id: Option<String>,
    pub record_id: Option<String>,
    /// Where it was read.
    pub source: Option<Place>,
    /// Its own time, in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// Bytes of its value.
    pub bytes: usize,
    /// How often it was redriven, by the audit. Null: the audit was not read, or does not reach, far enough back to say whether it
    /// was at all.
    pub redriven: Option<ShownRedrives>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Content)]
    pub content: Option<Content>,
}

/// How often a letter was redriven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShownRedrives {
    /// 0: it never was.
    pub times: u64,
    /// False: it may have been more often, for the audit was not read, or does not reach, further back.
    pub exact: bool,
    /// Null: it never was.
    pub last: Option<ShownRedrive>,
}

/// The last time that a letter was redriven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShownRedrive {
    /// By the clock of who did it.
    #[schema(format = DateTime)]
    pub at: String,
    /// Who did it, as they say.
    pub by: String,
}

/// How deep a queue was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Depth {
    pub at: String,
    /// The newest entry then.
    pub entry: u64,
    /// Entries from the oldest that has not been passed by now up to that one. Those that will be replaced count too.
    pub depth: u64,
}

impl From<&Source> for Place {
    fn from(Source { topic, partition, offset }: &Source) -> Self {
        Self { topic: topic.to_string(), partition: *partition, offset: *offset }
    }
}

impl From<&Header> for ShownHeader {
    fn from(Header { name, value }: &Header) -> Self {
        Self { name: Text::of(name), value: value.as_deref().map(Text::of) }
    }
}

impl Content {
    fn of(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> Self {
        Self { key: key.map(Text::of), value: value.map(Text::of), headers: headers.iter().map(Into::into).collect() }
    }
}

impl HeldEvent {
    /// `whole`: with key, value and headers.
    #[must_use]
    pub fn of(entry: &Entry, whole: bool) -> Self {
        let Entry { held, value, .. } = entry;
        Self {
            entry: held.number,
            kind: held.kind.word(),
            record_id: held.record_id.to_string(),
            held_at: held.held_at.to_string(),
            pause_id: held.pause_id.to_string(),
            keep: if held.latest { "latest" } else { "all" },
            fate: entry.fate.map(|fate| fate.word()),
            source: (&held.source).into(),
            timestamp_ms: entry.timestamp.0,
            bytes: value.as_ref().map_or(0, |value| value.len()),
            content: whole.then(|| Content::of(held.key.as_deref(), value.as_deref(), &held.headers)),
        }
    }
}

impl From<&Redrives> for ShownRedrives {
    fn from(Redrives { times, is_exact, last }: &Redrives) -> Self {
        let last = last.as_ref().map(|Redrive { at, by }| ShownRedrive { at: at.to_string(), by: by.to_string() });
        Self { times: *times, exact: *is_exact, last }
    }
}

impl ShownLetter {
    /// `whole`: with key, value and headers.
    #[must_use]
    pub fn of(Listed { letter, redrives }: &Listed, whole: bool) -> Self {
        Self {
            item: letter.item().to_string(),
            set_aside_at: letter.set_aside_at.to_string(),
            reason: letter.reason.clone(),
            detail: letter.detail.clone(),
            flow_id: letter.flow.as_ref().map(FlowId::to_string),
            record_id: letter.record_id.as_ref().map(ToString::to_string),
            source: letter.source.as_ref().map(Into::into),
            timestamp_ms: letter.timestamp,
            bytes: letter.value.as_ref().map_or(0, |value| value.len()),
            redriven: redrives.as_ref().map(Into::into),
            content: whole.then(|| Content::of(letter.key.as_deref(), letter.value.as_deref(), &letter.headers)),
        }
    }
}

impl From<&Point> for Depth {
    fn from(Point { at, entry, depth }: &Point) -> Self {
        Self { at: at.to_string(), entry: *entry, depth: *depth }
    }
}

impl Told {
    /// The event as it stands in the topic, and where that is: `id`, partition and offset as `3/58`. `whole`: with values of
    /// events, which stand in it where one was changed.
    #[must_use]
    pub fn json(&self, whole: bool) -> Value {
        let mut document = audit_document(&self.document, whole);
        if let Some(fields) = document.as_object_mut() {
            fields.insert("id".to_owned(), format!("{}/{}", self.partition, self.offset).into());
        }
        document
    }
}

/// A document of the audit. `whole`: with values of events, which stand in it where one was changed; else it says only that it was.
#[must_use]
pub fn audit_document(document: &[u8], whole: bool) -> Value {
    let mut document: Value = serde_json::from_slice(document).unwrap_or_default();
    if let Some(edit) = document.get_mut("edit").filter(|_| !whole) {
        *edit = Value::Object(serde_json::Map::new());
    }
    document
}
