//! Settings whose values stand in files of their own.

use std::collections::BTreeMap;

use super::fields::KAFKA;
use super::files::{Fingerprint, NamedFile, PATH, ReadFile};
use super::kafka;
use super::origin::Given;
use super::problem::Problem;
use super::read::Reader;
use super::tls::{Tls, TlsFiles, WrongFile};
use crate::broker::kafka::{oidc, settings};

const READABLE: &str = "give a file that this user can read, with the value in it";
const ONE_OF_TWO: &str = "take one of the two away";

/// Makes a value of a text, or says what is wrong with it.
type Parse<T> = fn(&str) -> Result<T, String>;

impl Reader<'_> {
    /// A value that stands in a setting, or in the file that another setting names, and how each is read.
    pub(super) fn value_or_file<T>(
        &mut self,
        [name, file]: [&str; 2],
        fix: &str,
        [parse, parse_file]: [Parse<T>; 2],
    ) -> (Option<T>, Option<ReadFile>) {
        let Some(given) = self.given(file) else { return (self.value(name, fix, parse), None) };
        if self.given(name).is_some() {
            self.problem(file, format!("`{name}` is given too"), ONE_OF_TWO);
            return (None, None);
        }
        if !self.serves_http {
            return (parse("").ok(), None);
        }
        let Some((read, text)) = self.text(file, &given) else { return (None, None) };
        match parse_file(&text) {
            Ok(value) => (Some(value), Some(read)),
            Err(what) => {
                self.problem(file, format!("in `{}`: {what}", read.file.path.display()), fix);
                (None, None)
            }
        }
    }

    /// What HTTP speaks TLS with; `None`: it speaks none, or there is a problem.
    pub(super) fn tls(&mut self) -> Option<Tls> {
        const NAMES: [&str; 2] = ["http_tls_certificate", "http_tls_key"];
        let files = match NAMES.map(|name| self.given(name)) {
            [None, None] => return None,
            [Some(certificate), Some(key)] => [certificate, key],
            [certificate, _] => {
                let [there, missing] = if certificate.is_some() { NAMES } else { [NAMES[1], NAMES[0]] };
                self.problem(
                    missing,
                    format!("it is missing, and `{there}` is given"),
                    "give both, or none for HTTP without TLS",
                );
                return None;
            }
        };
        if !self.serves_http {
            return None;
        }
        let [certificate, key] = [0, 1].map(|place| self.file(NAMES[place], &files[place]));
        let files = TlsFiles { certificate: certificate?, key: key? };
        let contents = files.read();
        let read = contents.and_then(|[certificate, key]| Ok((files.pair([&certificate, &key])?, [certificate, key])));
        match read {
            Ok((pair, contents)) => {
                let fingerprints = contents.map(|contents| Fingerprint::of(&contents));
                Some(Tls { files, pair, fingerprints })
            }
            Err(WrongFile { field, what, fix }) => {
                self.problem(&field, what, fix);
                None
            }
        }
    }

    /// What librdkafka is given, and which of that comes from files.
    pub(super) fn kafka(&mut self) -> (kafka::Client, BTreeMap<String, ReadFile>) {
        let (mut client, mut files) = (kafka::Client::default(), BTreeMap::new());
        let sources = self.sources;
        // A plugin brings settings that nobody knows here.
        let plugins = sources.kafka().any(|(name, _)| name == "plugin.library.paths");
        for (name, given) in sources.kafka() {
            let wrong = if let Some(why) = kafka::refused(name) {
                (format!("it is the gate's own: {why}"), "take it away".to_owned())
            } else if let Some(of) = kafka::of_file(name) {
                if let Some((file, text)) = self.kafka_text(name, of, given) {
                    client.0.insert(of.to_owned(), text);
                    files.insert(of.to_owned(), file);
                }
                continue;
            } else if !settings::is_known(name) && !plugins {
                kafka::unknown(name)
            } else {
                client.0.insert(name.to_owned(), given.value.clone());
                continue;
            };
            let (field, origin) = (format!("{KAFKA}{name}"), given.origin.clone());
            self.problems.push(Problem { field, origin, what: wrong.0, fix: wrong.1 });
        }
        for wrong in oidc::problems(&client.0) {
            let field = format!("{KAFKA}{}", wrong.name);
            self.problem(&field, wrong.what, &wrong.fix);
        }
        (client, files)
    }

    /// The text of the file that `name` names, which is the value of `of`.
    fn kafka_text(&mut self, name: &str, of: &str, given: &Given) -> Option<(ReadFile, String)> {
        let field = format!("{KAFKA}{name}");
        if !kafka::may_be_in_file(of) {
            let fix = format!("write `{KAFKA}{of}` itself");
            self.problem(&field, format!("only secrets and `{}` are read from files", settings::USERNAME), &fix);
            return None;
        }
        if self.given(&format!("{KAFKA}{of}")).is_some() {
            self.problem(&field, format!("`{KAFKA}{of}` is given too"), ONE_OF_TWO);
            return None;
        }
        self.text(&field, given)
    }

    /// What was given, if anything is written there.
    fn given(&self, name: &str) -> Option<Given> {
        self.sources.get(name).filter(|given| !given.value.trim().is_empty()).cloned()
    }

    pub(super) fn is_given(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    fn file(&mut self, name: &str, given: &Given) -> Option<NamedFile> {
        let file = NamedFile::new(name, given.value.trim());
        file.map_err(|what| self.problem(name, what, PATH)).ok()
    }

    fn text(&mut self, name: &str, given: &Given) -> Option<(ReadFile, String)> {
        let file = self.file(name, given)?;
        match file.read().and_then(|contents| Ok((file.text(&contents)?, contents))) {
            Ok((text, contents)) => Some((ReadFile { file, fingerprint: Fingerprint::of(&contents) }, text)),
            Err(what) => {
                self.problem(name, what, READABLE);
                None
            }
        }
    }
}
