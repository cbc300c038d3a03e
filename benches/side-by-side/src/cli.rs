//! The command line of the gate, as an operator runs it.

use std::path::Path;
use std::process::Stdio;

use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use rdkafka::Message as _;
use serde_json::Value;

use crate::Result;
use crate::child;
use crate::count::scan;
use crate::site::Site;

/// Who types the commands, and where.
#[derive(Clone, Copy)]
pub struct Cli<'a> {
    pub program: &'a Path,
    pub directory: &'a Path,
    pub site: &'a Site,
    pub topics: &'a Topics,
}

/// A command that stands in the control topic.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    pub offset: i64,
    /// By the broker's clock, which is that of this machine.
    pub at: Timestamp,
}

impl Cli<'_> {
    /// Sends commands, waits for their answers, and says where the first of them is stored.
    ///
    /// # Errors
    /// One of them is rejected or not answered: what the program says of it.
    pub fn order(&self, words: &[&str]) -> Result<Stored> {
        let mut args = words.to_vec();
        args.extend(["--yes", "--timeout", "120s", "--output", "json", "--prefix", &self.topics.prefix]);
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let environment = [("FLOWGATE_BROKERS", self.site.brokers.as_str())];
        let mut command = child::tied(self.directory, self.program, &args, &environment)?;
        let output = command.stdin(Stdio::null()).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`flowgate {}` ended with {}:\n{said}", words.join(" "), output.status).into());
        }
        let sent: Value = serde_json::from_slice(&output.stdout)?;
        self.stored(sent[0]["offset"].as_i64().ok_or("the program does not say what it has sent")?)
    }

    fn stored(&self, offset: i64) -> Result<Stored> {
        let mut found = None;
        scan(&self.site.brokers, &[(self.topics.control.clone(), 0)], |record| {
            if record.offset() == offset {
                found = record.timestamp().to_millis();
            }
        })?;
        let at = found.map(Timestamp).ok_or("a command that is not in the control topic")?;
        Ok(Stored { offset, at })
    }
}
