//! A document of the gate's own, read field by field; what no reader asked for is left over.

use serde_json::{Map, Value};
use thiserror::Error;

use super::instant;
use super::json::json;
use super::rate::PerSecond;
use super::words::Word;
use crate::flow::{NotARate, PerKind, Rate, Warning};
use crate::time::Timestamp;

/// Why a document that the gate writes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The gate stops rather than overwrite what it does not understand.
    #[error("version {version} is newer than this gate, which reads {reads}; run one as new as the one that wrote it")]
    Newer { version: u64, reads: u32 },
    #[error("the value is no JSON object: {detail}")]
    NoObject { detail: String },
    /// `name` has dots between the levels: `queue.watermark.entry`.
    #[error("{name} {detail}")]
    Field { name: String, detail: String },
}

/// The fields of an object that have not been read yet.
pub(super) struct Fields {
    /// Empty, or ends in a dot.
    path: String,
    map: Map<String, Value>,
}

type Result<T> = std::result::Result<T, Malformed>;

/// Reads a whole document of a version up to this one: what `read` says of its fields, and the fields it left.
pub(super) fn document<T>(
    value: &[u8],
    reads: u32,
    read: impl FnOnce(&mut Fields) -> Result<T>,
) -> Result<(T, Map<String, Value>)> {
    let map = serde_json::from_slice(value).map_err(|error| Malformed::NoObject { detail: no_object(&error) })?;
    let mut fields = Fields { path: String::new(), map };
    match fields.u64("version")? {
        version if (1..=u64::from(reads)).contains(&version) => {}
        0 => return Err(fields.wrong("version", "is 0, which never was; the first is 1")),
        version => return Err(Malformed::Newer { version, reads }),
    }
    let body = read(&mut fields)?;
    Ok((body, fields.map))
}

/// What is no object is told without quoting it: it may be of any length.
fn no_object(error: &serde_json::Error) -> String {
    if error.is_data() { "it is JSON of another kind".to_owned() } else { error.to_string() }
}

impl Fields {
    /// An error about one of these fields; the detail goes on after its name.
    pub(super) fn wrong(&self, name: &str, detail: impl Into<String>) -> Malformed {
        Malformed::Field { name: format!("{}{name}", self.path), detail: detail.into() }
    }

    fn take(&mut self, name: &str) -> Result<Value> {
        self.map.remove(name).ok_or_else(|| self.wrong(name, "is missing"))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    fn maybe(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn want<T>(&self, name: &str, found: Option<T>, wanted: &str) -> Result<T> {
        found.ok_or_else(|| self.wrong(name, format!("is not {wanted}")))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String> {
        match self.take(name)? {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong(name, "is not a string")),
        }
    }

    pub(super) fn maybe_text(&mut self, name: &str) -> Result<Option<String>> {
        match self.maybe(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "is neither a string nor null")),
        }
    }

    /// A text that has to be valid.
    pub(super) fn valid<T, E: ToString>(
        &mut self,
        name: &str,
        check: impl FnOnce(&str) -> std::result::Result<T, E>,
    ) -> Result<T> {
        let text = self.text(name)?;
        check(&text).map_err(|error| self.wrong(name, error.to_string()))
    }

    pub(super) fn maybe_valid<T, E: ToString>(
        &mut self,
        name: &str,
        check: impl FnOnce(&str) -> std::result::Result<T, E>,
    ) -> Result<Option<T>> {
        let text = self.maybe_text(name)?;
        text.map(|text| check(&text)).transpose().map_err(|error| self.wrong(name, error.to_string()))
    }

    pub(super) fn word<T: Word>(&mut self, name: &str) -> Result<T> {
        self.valid(name, |word| T::from_word(word).ok_or_else(|| format!("is not {}", T::choices())))
    }

    pub(super) fn time(&mut self, name: &str) -> Result<Timestamp> {
        self.valid(name, |text| instant::read(text).ok_or("is not a time as RFC 3339 writes it"))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<bool> {
        let value = self.take(name)?;
        self.want(name, value.as_bool(), "true or false")
    }

    pub(super) fn u64(&mut self, name: &str) -> Result<u64> {
        let value = self.take(name)?;
        self.want(name, value.as_u64(), "an integer from 0 on")
    }

    pub(super) fn u32(&mut self, name: &str) -> Result<u32> {
        let number = self.u64(name)?;
        self.want(name, number.try_into().ok(), "an integer from 0 to 4294967295")
    }

    /// A partition or a number of them, which Kafka counts up to 2^31 - 1.
    pub(super) fn i32(&mut self, name: &str) -> Result<i32> {
        let number = self.u64(name)?;
        self.want(name, number.try_into().ok(), "an integer from 0 to 2147483647")
    }

    /// An offset.
    pub(super) fn offset(&mut self, name: &str) -> Result<i64> {
        let number = self.u64(name)?;
        self.want(name, number.try_into().ok(), "an offset, an integer from 0 on")
    }

    pub(super) fn maybe_u64(&mut self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.maybe(name) else { return Ok(None) };
        self.want(name, value.as_u64(), "an integer from 0 on, nor null").map(Some)
    }

    pub(super) fn maybe_offset(&mut self, name: &str) -> Result<Option<i64>> {
        let Some(number) = self.maybe_u64(name)? else { return Ok(None) };
        self.want(name, number.try_into().ok(), "an offset, an integer from 0 on").map(Some)
    }

    pub(super) fn maybe_rate(&mut self, name: &str) -> Result<Option<Rate>> {
        let Some(value) = self.maybe(name) else { return Ok(None) };
        self.want(name, PerSecond::read(&value), NotARate::WANTED).map(Some)
    }

    pub(super) fn warning(&mut self, name: &str) -> Result<Warning> {
        let warning = self.maybe_warning(name)?;
        self.want(name, warning, "86400 or 3600")
    }

    pub(super) fn maybe_warning(&mut self, name: &str) -> Result<Option<Warning>> {
        let Some(seconds) = self.maybe_u64(name)? else { return Ok(None) };
        let warning = Warning::ALL.into_iter().find(|warning| warning.ahead().as_secs() == seconds);
        self.want(name, warning, "86400 or 3600, nor null").map(Some)
    }

    pub(super) fn per_kind(&mut self, name: &str) -> Result<PerKind> {
        self.object(name, |fields| Ok(PerKind { enroll: fields.u64("enroll")?, advance: fields.u64("advance")? }))
    }

    pub(super) fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        match self.take(name)? {
            Value::Object(map) => self.inner(name, map, read),
            _ => Err(self.wrong(name, "is not an object")),
        }
    }

    pub(super) fn maybe_object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.maybe(name) {
            None => Ok(None),
            Some(Value::Object(map)) => self.inner(name, map, read).map(Some),
            Some(_) => Err(self.wrong(name, "is neither an object nor null")),
        }
    }

    /// Puts back what `read` left of an object, for it is unknown.
    fn inner<T>(
        &mut self,
        name: &str,
        map: Map<String, Value>,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mut fields = Self { path: format!("{}{name}.", self.path), map };
        let body = read(&mut fields)?;
        if !fields.map.is_empty() {
            self.map.insert(name.to_owned(), Value::Object(fields.map));
        }
        Ok(body)
    }

    /// What is unknown in the objects of a list is not kept: they are not rewritten in place, they come and go.
    pub(super) fn list<T, L: FromIterator<T>>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<L> {
        let Value::Array(values) = self.take(name)? else {
            return Err(self.wrong(name, "is not an array"));
        };
        let each = values.into_iter().enumerate().map(|(index, value)| {
            let name = format!("{name}[{index}]");
            let Value::Object(map) = value else { return Err(self.wrong(&name, "is not an object")) };
            read(&mut Self { path: format!("{}{name}.", self.path), map })
        });
        each.collect()
    }

    /// An array of plain values.
    pub(super) fn values<T>(&mut self, name: &str, wanted: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>> {
        let value = self.take(name)?;
        let read = value.as_array().and_then(|values| values.iter().map(read).collect());
        self.want(name, read, &format!("an array of {wanted}"))
    }

    /// The JSON of an object that somebody else's reader understands.
    pub(super) fn json(&mut self, name: &str) -> Result<Vec<u8>> {
        Ok(json(&self.take(name)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_short_however_long_the_document_is() {
        let refused = |value: &[u8]| document(value, 1, |_| Ok(())).map(|_| ()).map_err(|error| error.to_string());
        let text = format!("\"{}\"", "x".repeat(10_000));
        let another_kind = "the value is no JSON object: it is JSON of another kind".to_owned();
        assert_eq!(refused(text.as_bytes()), Err(another_kind.clone()));
        assert_eq!(refused(b"[]"), Err(another_kind));
        let cut = refused(text.trim_end_matches('"').as_bytes()).unwrap_err();
        assert_eq!(cut, "the value is no JSON object: EOF while parsing a string at line 1 column 10001");
    }
}
