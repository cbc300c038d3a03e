//! Who may look, over HTTP.

use std::path::Path;
use std::process::Command;

use crate::Result;

/// A viewer's.
pub struct Token {
    pub text: String,
    /// As the configuration wants it.
    pub line: String,
}

impl Token {
    pub fn create(program: &Path, name: &str) -> Result<Self> {
        let output = Command::new(program).args(["token", "create", name, "--role", "viewer"]).output()?;
        let told = String::from_utf8(output.stdout)?;
        let text = told.split_whitespace().find(|word| word.starts_with("flowgate_"));
        let line = told.split('"').find(|part| part.starts_with(&format!("{name}:viewer:")));
        match (text, line) {
            (Some(text), Some(line)) => Ok(Self { text: text.to_owned(), line: line.to_owned() }),
            _ => Err(format!("`flowgate token create` tells of no token: {told}").into()),
        }
    }
}
