//! Keys, values and headers of events: any bytes.

use crate::client::shown::Content;
use crate::schema::{Encoding, Text};

/// For people: text as it is, and what is no text says so.
pub fn value_cell(value: Option<&[u8]>) -> String {
    match value.map(Text::of) {
        None => "(no value)".to_owned(),
        Some(Text { encoding: Encoding::Base64, data }) => format!("base64:{data}"),
        Some(Text { data, .. }) => data,
    }
}

/// Columns of CSV. An encoding is `utf-8` or `base64`, and empty where there is nothing.
pub const CSV: [&str; 5] = ["key", "key_encoding", "value", "value_encoding", "headers"];

/// The cells of [`CSV`]; headers as JSON, for their names may repeat.
pub fn csv(content: &Content) -> [String; CSV.len()] {
    let Content { key, value, headers } = content;
    let parts = |text: &Option<Text>| {
        let text = text.as_ref();
        (text.map(|text| text.data.clone()), text.map(|text| text.encoding.word().to_owned()))
    };
    let ((key, key_encoding), (value, value_encoding)) = (parts(key), parts(value));
    let headers = serde_json::to_string(headers).unwrap_or_default();
    [key, key_encoding, value, value_encoding, Some(headers)].map(Option::unwrap_or_default)
}
