//! A JSON object of somebody else, of which a few fields matter.
//!
//! Only the grammar of the rest is checked, without recursion and without building anything: however deep a foreign
//! field nests, it costs a byte a level and no stack, and it passes.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Reason, Unreadable};

/// What was found under a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot<'a> {
    Absent,
    /// The JSON of the field's value, without white space around it.
    Once(&'a str),
    Twice,
}

/// Finds the fields of these names in a JSON object.
///
/// # Errors
/// [`Unreadable`] if the value is null, not UTF-8, not JSON (also: JSON and something behind it), or no object.
pub(super) fn scan<'a, const N: usize>(
    value: Option<&'a [u8]>,
    names: &'static [&'static str; N],
) -> Result<[Slot<'a>; N], Unreadable> {
    let bytes = value.ok_or_else(|| Unreadable::value(Reason::NullValue, "the value is null; send a JSON object"))?;
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Unreadable::value(Reason::NotUtf8, format!("the value is not UTF-8 from byte {at} on; send JSON in UTF-8"))
    })?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(no_object(text));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let slots = json.deserialize_map(Fields { names }).and_then(|slots| json.end().map(|()| slots));
    slots.map_err(|error| not_json(&error))
}

fn no_object(text: &str) -> Unreadable {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Unreadable::value(Reason::NotAnObject, "the value is JSON but no object; send {\"flow_id\": ...}"),
        Err(_) if text.is_empty() => Unreadable::value(Reason::NotJson, "the value is empty; send a JSON object"),
        Err(_) if text.starts_with('\u{feff}') => {
            Unreadable::value(Reason::NotJson, "the value starts with a byte order mark; send JSON without one")
        }
        Err(error) => not_json(&error),
    }
}

fn not_json(error: &serde_json::Error) -> Unreadable {
    Unreadable::value(Reason::NotJson, format!("the value is not JSON: {error}; send one JSON object"))
}

struct Fields<const N: usize> {
    names: &'static [&'static str; N],
}

impl<'de, const N: usize> Visitor<'de> for Fields<N> {
    type Value = [Slot<'de>; N];

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut slots = [Slot::Absent; N];
        while let Some(name) = map.next_key_seed(Name { names: self.names })? {
            let Some(index) = name else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let json = map.next_value::<&RawValue>()?.get();
            slots[index] = match slots[index] {
                Slot::Absent => Slot::Once(json),
                Slot::Once(_) | Slot::Twice => Slot::Twice,
            };
        }
        Ok(slots)
    }
}

/// Reads a key to its index among the names; escapes in it are resolved, so that no spelling slips through.
struct Name<const N: usize> {
    names: &'static [&'static str; N],
}

impl<'de, const N: usize> DeserializeSeed<'de> for Name<N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Name<N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.names.iter().position(|name| *name == key))
    }
}

/// The value of a field, as far as its type matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    Text(Cow<'a, str>),
    /// As written; JSON allows no leading zeros and no plus sign, so only `-0` has a twin.
    Integer(&'a str),
    /// A number with a fraction or an exponent, as written.
    Float(&'a str),
    Flag,
    Null,
    Array,
    Object,
}

impl Scalar<'_> {
    /// With its article, for "flow_id is ..., not a string".
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number with a fraction or an exponent",
            Self::Flag => "a boolean",
            Self::Null => "null",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// The value of the JSON of a [`Slot::Once`]; an error is a string with half a surrogate pair.
pub(super) fn scalar<'a>(json: &'a str) -> Result<Scalar<'a>, serde_json::Error> {
    Ok(match json.as_bytes().first() {
        Some(b'"') if json.contains('\\') => Scalar::Text(Cow::Owned(serde_json::from_str(json)?)),
        Some(b'"') => Scalar::Text(Cow::Borrowed(json.trim_matches('"'))),
        Some(b't' | b'f') => Scalar::Flag,
        Some(b'n') => Scalar::Null,
        Some(b'[') => Scalar::Array,
        Some(b'{') => Scalar::Object,
        Some(_) if json.contains(['.', 'e', 'E']) => Scalar::Float(json),
        Some(_) => Scalar::Integer(json),
        None => return Err(serde_json::Error::custom("no value")),
    })
}

impl<'a> Scalar<'a> {
    /// The text of an id, which is a string or an integer: `-0` is 0. Anything else comes back.
    pub(super) fn id(self) -> Result<Cow<'a, str>, Self> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Integer("-0") => Ok("0".into()),
            Self::Integer(digits) => Ok(digits.into()),
            other => Err(other),
        }
    }
}

impl<'a> Slot<'a> {
    /// The value, `None` if absent.
    ///
    /// # Errors
    /// [`Unreadable`] if the field is there twice, or a string that is no text.
    pub(super) fn value(self, field: &'static str) -> Result<Option<Scalar<'a>>, Unreadable> {
        match self {
            Self::Absent => Ok(None),
            Self::Twice => Err(Unreadable::field(Reason::DuplicateField, field, "is there twice; send it once")),
            Self::Once(json) => scalar(json).map(Some).map_err(|_| {
                Unreadable::field(Reason::LoneSurrogate, field, "has half a surrogate pair; escape whole characters")
            }),
        }
    }

    /// The value of a string that must be there.
    ///
    /// # Errors
    /// As [`Slot::value`], and if it is missing or no string.
    pub(super) fn text(self, field: &'static str) -> Result<Cow<'a, str>, Unreadable> {
        match self.value(field)? {
            Some(Scalar::Text(text)) => Ok(text),
            Some(other) => Err(wrong_type(field, &other, "a string")),
            None => Err(Unreadable::field(Reason::MissingField, field, "is missing; send a string")),
        }
    }

    /// Parses the JSON of the field with the recursion limit of `serde_json`; `None` if absent.
    pub(super) fn parse<T: serde::Deserialize<'a>>(self) -> Option<Result<T, serde_json::Error>> {
        match self {
            Self::Once(json) => Some(T::deserialize(&mut serde_json::Deserializer::from_str(json))),
            Self::Absent | Self::Twice => None,
        }
    }
}

pub(super) fn wrong_type(field: &'static str, found: &Scalar<'_>, wanted: &str) -> Unreadable {
    Unreadable::field(Reason::WrongType, field, format_args!("is {}; send {wanted}", found.noun()))
}
