//! What a command orders: its action and the options of that action.
//!
//! Errors here are sentences that begin with the name of the field: they become the answer to the command.

use std::borrow::Cow;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::object::{self, Scalar, Slot, scalar, wrong_type};
use super::unreadable::quote;
use super::words::Word;
use super::{Unreadable, event, instant};
use crate::flow::{
    AcceptLossOrder, Action, Expect, NotARate, PauseEnd, PauseOrder, PurgeOrder, Rate, RecordId, ReleaseOrder,
    ResumeOrder,
};
use crate::time::Timestamp;

/// Every field of a command that means something.
const FIELDS: [&str; 22] = [
    "version",
    "command_id",
    event::FLOW_ID,
    "action",
    "issued_by",
    "issued_at",
    "reason",
    INVALID,
    "new_records",
    "until",
    "for_seconds",
    "keep",
    "on_expiry",
    "expiry_rate",
    "release",
    "max_rate",
    "max_age_seconds",
    "count",
    "record_ids",
    "through_entry",
    "at_most",
    EXPECT,
];

/// The options of each action: an option of another one is refused, for it would be lost.
const OPTIONS: [(&str, &[&str]); 6] = [
    ("pause", &["new_records", "until", "for_seconds", "keep", "on_expiry", "expiry_rate"]),
    ("resume", &["release", "max_rate", "max_age_seconds"]),
    ("release", &["count", "record_ids"]),
    ("purge", &["through_entry"]),
    ("accept_loss", &["at_most"]),
    ("forget", &[]),
];

/// Where the flow has to stand: an option of every action.
pub(super) const EXPECT: &str = "expect";

/// Why a command orders nothing: written by the gate where it tells of one.
pub(super) const INVALID: &str = "invalid";

type Result<T> = std::result::Result<T, String>;

/// Whether it means something in a command.
pub(super) fn is_field(name: &str) -> bool {
    FIELDS.contains(&name)
}

/// The fields of a command, unread.
pub(super) struct Options<'a> {
    slots: [Slot<'a>; FIELDS.len()],
}

impl<'a> Options<'a> {
    /// # Errors
    /// As [`object::scan`].
    pub(super) fn scan(value: Option<&'a [u8]>) -> std::result::Result<Self, Unreadable> {
        object::scan(value, &FIELDS).map(|slots| Self { slots })
    }

    pub(super) fn slot(&self, field: &str) -> Slot<'a> {
        FIELDS.iter().position(|known| *known == field).map_or(Slot::Absent, |index| self.slots[index])
    }

    fn value(&self, field: &'static str) -> Result<Option<Scalar<'a>>> {
        self.slot(field).value(field).map_err(|why| why.detail)
    }

    fn maybe_text(&self, field: &'static str) -> Result<Option<Cow<'a, str>>> {
        match self.value(field)? {
            None => Ok(None),
            Some(Scalar::Text(text)) => Ok(Some(text)),
            Some(other) => Err(wrong_type(field, &other, "a string or leave it out").detail),
        }
    }

    /// A text of `least` to `most` bytes.
    pub(super) fn text(&self, field: &'static str, least: usize, most: usize) -> Result<Option<String>> {
        match self.maybe_text(field)? {
            Some(text) if text.len() < least || text.len() > most => {
                Err(format!("{field} has {} bytes; send {least} to {most}", text.len()))
            }
            text => Ok(text.map(Cow::into_owned)),
        }
    }

    pub(super) fn time(&self, field: &'static str) -> Result<Option<Timestamp>> {
        let Some(text) = self.maybe_text(field)? else { return Ok(None) };
        instant::read(&text).map(Some).ok_or_else(|| {
            format!("{field} {} is no RFC 3339 time; send one such as 2026-03-01T09:00:00Z", quote(&text))
        })
    }

    fn word<T: Word>(&self, field: &'static str) -> Result<Option<T>> {
        let Some(word) = self.maybe_text(field)? else { return Ok(None) };
        T::from_word(&word)
            .map(Some)
            .ok_or_else(|| format!("{field} {} is unknown; send {}", quote(&word), T::choices()))
    }

    /// An integer from 1 on. Its upper limit is high enough for every use, and the same for all.
    fn positive(&self, field: &'static str) -> Result<Option<NonZeroU32>> {
        const WANTED: &str = "an integer from 1 to 4294967295";
        match self.value(field)? {
            None => Ok(None),
            Some(Scalar::Integer(digits)) => {
                digits.parse().map(Some).map_err(|_| format!("{field} is {}; send {WANTED}", quote(digits)))
            }
            Some(other) => Err(wrong_type(field, &other, WANTED).detail),
        }
    }

    fn rate(&self, field: &'static str) -> Result<Option<Rate>> {
        match self.value(field)? {
            None => Ok(None),
            Some(Scalar::Integer(number) | Scalar::Float(number)) => {
                number.parse().map(Some).map_err(|_| format!("{field} is {}; send {}", quote(number), NotARate::WANTED))
            }
            Some(other) => Err(wrong_type(field, &other, NotARate::WANTED).detail),
        }
    }

    fn seconds(&self, field: &'static str) -> Result<Option<Duration>> {
        Ok(self.positive(field)?.map(|seconds| Duration::from_secs(u32::from(seconds).into())))
    }
}

/// The action's word as far as it can be read, cut to what an answer can hold.
pub(super) fn word(options: &Options<'_>) -> String {
    const LIMIT: usize = 40;
    match options.maybe_text("action") {
        Ok(Some(word)) => word.chars().take(LIMIT).collect(),
        Ok(None) | Err(_) => "unknown".to_owned(),
    }
}

/// Refuses a version other than this gate's.
pub(super) fn version(options: &Options<'_>) -> Result<()> {
    event::read_version(options.slot("version")).map_err(|why| why.detail)
}

/// Refuses what the gate itself has marked as invalid: copied out of the audit, it still orders nothing.
pub(super) fn marked(options: &Options<'_>) -> Result<()> {
    const LIMIT: usize = 1000;
    match options.maybe_text(INVALID)? {
        None => Ok(()),
        Some(why) => Err(why.chars().take(LIMIT).collect()),
    }
}

/// The action with its options.
pub(super) fn action(options: &Options<'_>) -> Result<Action> {
    const CHOICES: &str = "send pause, resume, release, purge, accept_loss or forget";
    let Some(word) = options.maybe_text("action")? else {
        return Err(format!("action is missing; {CHOICES}"));
    };
    let read = match &*word {
        "pause" => pause,
        "resume" => resume,
        "release" => release,
        "purge" => purge,
        "accept_loss" => accept_loss,
        "forget" => |_: &Options<'_>| Ok(Action::Forget),
        _ => return Err(format!("action {} is unknown; {CHOICES}", quote(&word))),
    };
    for (owner, fields) in OPTIONS.iter().filter(|(owner, _)| *owner != word) {
        if let Some(field) = fields.iter().find(|field| !matches!(options.slot(field), Slot::Absent)) {
            return Err(format!("{field} is an option of {owner}, not of {word}; leave it out"));
        }
    }
    read(options)
}

fn pause(options: &Options<'_>) -> Result<Action> {
    let end = match (options.time("until")?, options.seconds("for_seconds")?) {
        (Some(_), Some(_)) => return Err("until and for_seconds exclude each other; send one of them".to_owned()),
        (Some(time), None) => Some(PauseEnd::Until(time)),
        (None, Some(duration)) => Some(PauseEnd::For(duration)),
        (None, None) => None,
    };
    Ok(Action::Pause(PauseOrder {
        new_records: options.word("new_records")?,
        end,
        keep: options.word("keep")?,
        on_expiry: options.word("on_expiry")?,
        expiry_rate: options.rate("expiry_rate")?,
    }))
}

fn resume(options: &Options<'_>) -> Result<Action> {
    Ok(Action::Resume(ResumeOrder {
        release: options.word("release")?,
        max_rate: options.rate("max_rate")?,
        max_age: options.seconds("max_age_seconds")?,
    }))
}

fn release(options: &Options<'_>) -> Result<Action> {
    let count = options.positive("count")?;
    let order = match (count, record_ids(options)?) {
        (Some(_), Some(_)) => return Err("count and record_ids exclude each other; send one of them".to_owned()),
        (None, None) => return Err("count and record_ids are both missing; send one of them".to_owned()),
        (Some(count), None) if count.get() > ReleaseOrder::MOST => {
            return Err(format!("count is {count}; send 1 to {}, or resume with a max_rate", ReleaseOrder::MOST));
        }
        (Some(count), None) => ReleaseOrder::Count(count),
        (None, Some(ids)) => ReleaseOrder::Records(ids),
    };
    Ok(Action::Release(order))
}

fn record_ids(options: &Options<'_>) -> Result<Option<Vec<RecordId>>> {
    const FIELD: &str = "record_ids";
    const WANTED: &str = "an array of strings or integers";
    match options.value(FIELD)? {
        None => return Ok(None),
        Some(Scalar::Array) => {}
        Some(other) => return Err(wrong_type(FIELD, &other, WANTED).detail),
    }
    let ids = options.slot(FIELD).parse::<Vec<&RawValue>>().and_then(std::result::Result::ok).unwrap_or_default();
    match ids.len() {
        0 => return Err(format!("{FIELD} is empty; name at least one record")),
        named if named > ReleaseOrder::MOST_RECORDS => {
            return Err(format!("{FIELD} names {named} records; name {} at most", ReleaseOrder::MOST_RECORDS));
        }
        _ => {}
    }
    let read = |id: &RawValue| {
        let value = scalar(id.get());
        let value = value.map_err(|_| format!("{FIELD} holds half a surrogate pair; escape whole characters"))?;
        let text = value.id().map_err(|other| format!("{FIELD} holds {}; send {WANTED}", other.noun()))?;
        RecordId::new(&text).map_err(|why| format!("{FIELD} holds one that {why}"))
    };
    ids.into_iter().map(read).collect::<Result<_>>().map(Some)
}

fn purge(options: &Options<'_>) -> Result<Action> {
    const FIELD: &str = "through_entry";
    const WANTED: &str = "the number of an entry, an integer from 1 on";
    let through_entry = match options.value(FIELD)? {
        None => None,
        Some(Scalar::Integer(digits)) => {
            Some(digits.parse().map_err(|_| format!("{FIELD} is {}; send {WANTED}", quote(digits)))?)
        }
        Some(other) => return Err(wrong_type(FIELD, &other, WANTED).detail),
    };
    Ok(Action::Purge(PurgeOrder { through_entry }))
}

fn accept_loss(options: &Options<'_>) -> Result<Action> {
    let missing = "at_most is missing; say how many held events may be lost";
    let at_most = options.positive("at_most")?.ok_or(missing)?;
    Ok(Action::AcceptLoss(AcceptLossOrder { at_most }))
}

/// Where the flow has to stand. Whatever it does not understand of that it refuses: a command that is to be applied with care
/// must not be applied without.
pub(super) fn expect(options: &Options<'_>) -> Result<Expect> {
    const WANTED: &str = "an object with pause_id (a string, or null), next_entry (an integer from 1 on), or both";
    const LIMIT: usize = 100;
    match options.value(EXPECT)? {
        None => return Ok(Expect::default()),
        Some(Scalar::Object) => {}
        Some(other) => return Err(wrong_type(EXPECT, &other, WANTED).detail),
    }
    match options.slot(EXPECT).parse::<ExpectWire>() {
        Some(Ok(ExpectWire { pause_id, next_entry })) => {
            Ok(Expect { pause: pause_id, next_entry: next_entry.map(NonZeroU64::get) })
        }
        Some(Err(error)) => {
            let why: String = error.to_string().chars().take(LIMIT).collect();
            Err(format!("{EXPECT} is not {WANTED}: {why}"))
        }
        None => Ok(Expect::default()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectWire {
    /// A null is not the same as nothing.
    #[serde(default, deserialize_with = "present")]
    pause_id: Option<Option<String>>,
    next_entry: Option<NonZeroU64>,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> std::result::Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}
