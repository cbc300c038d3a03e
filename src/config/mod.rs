//! Settings: flags before environment before file before defaults, and every problem told at once.
//!
//! - [`Settings`] are the values, all of them valid (`settings.rs`);
//! - [`Sources`] is what was given and where (`sources.rs`: it knows TOML and the names of the environment);
//! - [`fields::FIELDS`] lists every setting there is, with its default and its meaning;
//! - `read.rs` turns texts into values, noting a [`Problem`] for each that is none;
//! - [`Contexts`] are files of settings that are called by a name (`contexts.rs`);
//! - [`Token`] says who may ask over HTTP (`tokens.rs`);
//! - [`NamedFile`] is a file that a setting names (`files.rs`), [`Tls`] the certificate of HTTP and its key (`tls.rs`); `from_files.rs`
//!   reads settings that stand in files of their own;
//! - [`kafka`] knows which of librdkafka's settings are refused, and which of their values are shown.
//!
//! Names: `queue.topic_ttl` stands as `[queue] topic_ttl` in the file and as `FLOWGATE_QUEUE__TOPIC_TTL` in the
//! environment: `__` nests, and the rest is lower-cased. Under `[kafka]` everything is librdkafka's, whose names have dots:
//! there a single `_` of the environment is a dot, so `FLOWGATE_KAFKA__SASL_USERNAME` is `kafka.sasl.username`.
//!
//! What [`fields::Field::is_secret`] says, and values under `[kafka]`, may be secrets: only values of harmless names are printed, and
//! only those are taken as flags, for a command line is read by every user of the machine.

mod contexts;
pub mod fields;
mod files;
mod from_files;
pub mod kafka;
mod origin;
mod pairs;
mod problem;
mod read;
mod settings;
mod sources;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
mod tokens;

pub use contexts::{ContextName, Contexts, variable};
pub use files::{Fingerprint, NamedFile, ReadFile};
pub use origin::{Given, Origin};
pub use pairs::Pairs;
pub use problem::{Invalid, Problem};
pub(crate) use read::host_name;
pub use settings::{Log, LogFormat, Otlp, Queue, Settings};
pub use sources::Sources;
pub use tls::{Pair, Tls, TlsFiles, WrongFile};
pub use tokens::{Hash, Role, Secret, Token};
