//! `/a/b=x`: a condition on a field of an event, by which held events are looked for.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// A field, by its JSON pointer (RFC 6901), has this text: of a string the string itself, of everything else its JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldIs {
    pointer: String,
    text: String,
}

impl FieldIs {
    /// Whether the value of an event is JSON in which this holds.
    #[must_use]
    pub fn holds(&self, value: Option<&[u8]>) -> bool {
        let document: Option<Value> = value.and_then(|value| serde_json::from_slice(value).ok());
        document
            .as_ref()
            .and_then(|document| document.pointer(&self.pointer))
            .is_some_and(|field| text(field) == self.text)
    }
}

fn text(field: &Value) -> Cow<'_, str> {
    match field {
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

impl FromStr for FieldIs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str = "write a JSON pointer and a value, such as `/customer/country=DE`";
        let (pointer, text) = text.split_once('=').ok_or_else(|| format!("there is no `=`; {EXAMPLE}"))?;
        match pointer.strip_prefix('/') {
            Some(_) => Ok(Self { pointer: pointer.to_owned(), text: text.to_owned() }),
            None => Err(format!("`{pointer}` does not begin with `/`; {EXAMPLE}")),
        }
    }
}

impl fmt::Display for FieldIs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pointer, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_compared_with_its_text() {
        let value = br#"{"a": {"b": "x", "n": 12, "t": true, "o": {"k": null}}, "l": [1, "two"], "s/h": "y", "": "z"}"#;
        let holds = |text: &str| text.parse::<FieldIs>().unwrap().holds(Some(value));
        for text in
            ["/a/b=x", "/a/n=12", "/a/t=true", "/a/o/k=null", "/l/1=two", "/s~1h=y", "/=z", r#"/a/o={"k":null}"#]
        {
            assert!(holds(text), "{text}");
        }
        for text in ["/a/b=", "/a/b=X", "/a/n=12.0", "/a/c=x", "/l/2=two", "/a/b/c=x"] {
            assert!(!holds(text), "{text}");
        }
        assert!(!"/a=b".parse::<FieldIs>().unwrap().holds(None));
        assert!(!"/a=b".parse::<FieldIs>().unwrap().holds(Some(b"not json")));
    }

    #[test]
    fn what_is_no_condition_says_what_would_be_one() {
        for (text, part) in [("/a/b", "no `=`"), ("a.b=x", "`a.b` does not begin with `/`")] {
            let error = text.parse::<FieldIs>().unwrap_err();
            assert!(error.contains(part) && error.contains("/customer/country=DE"), "{error}");
        }
    }
}
