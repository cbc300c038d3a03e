//! The names of topics, and of the group and the producers, under a prefix.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::flow::FlowId;

/// Kafka's limit on the name of a topic, in bytes.
const MAX_NAME: usize = 249;

/// The names of one gate's topics; any number of gates with prefixes of their own share a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    pub prefix: String,
    /// Events from upstream.
    pub enrollments: String,
    /// Commands.
    pub control: String,
    /// What executors process; where it forwards, the enrollments of another prefix.
    pub records: String,
    /// Everything that is delivered goes to another prefix ([`Topics::forward_to`]).
    pub forwards: bool,
    /// The state of flows and partitions.
    pub state: String,
    pub audit: String,
    pub discarded: String,
    pub dead_letters: String,
    /// The consumer group of the enrollments.
    pub group: String,
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadPrefix {
    #[error("prefix is empty; give 1 to {} characters, `flow` is the usual one", Topics::MAX_PREFIX)]
    Empty,
    #[error("prefix has {length} characters; give at most {}", Topics::MAX_PREFIX)]
    TooLong { length: usize },
    #[error("prefix has the character {0:?}; use letters, digits, `.`, `_` and `-` only")]
    Character(char),
    #[error("everything would come round again and again: name another prefix than the gate's own")]
    Itself,
}

impl Topics {
    /// The longest prefix: with it the longest name, a hashed queue topic's, has just the length Kafka allows.
    pub const MAX_PREFIX: usize = MAX_NAME - QUEUE.len() - HASHED - 1 - MAX_DIGITS;

    /// # Errors
    /// [`BadPrefix`] if a topic name cannot start with it.
    pub fn new(prefix: &str) -> Result<Self, BadPrefix> {
        if prefix.is_empty() {
            return Err(BadPrefix::Empty);
        }
        if let Some(character) = prefix.chars().find(|c| !c.is_ascii_alphanumeric() && !"._-".contains(*c)) {
            return Err(BadPrefix::Character(character));
        }
        if prefix.len() > Self::MAX_PREFIX {
            return Err(BadPrefix::TooLong { length: prefix.len() });
        }
        let name = |name: &str| format!("{prefix}.{name}");
        Ok(Self {
            prefix: prefix.to_owned(),
            enrollments: name("enrollments"),
            control: name("control"),
            records: name("records"),
            forwards: false,
            state: name("state"),
            audit: name("audit"),
            discarded: name("discarded"),
            dead_letters: name("dead-letters"),
            group: format!("flowgate-{prefix}"),
        })
    }

    /// What is delivered becomes the input of another prefix on the same cluster: so flows move there (docs/migrating.md).
    ///
    /// # Errors
    /// [`BadPrefix`] if a topic name cannot start with it.
    pub fn forward_to(self, prefix: &str) -> Result<Self, BadPrefix> {
        if prefix == self.prefix {
            return Err(BadPrefix::Itself);
        }
        Ok(Self { records: Self::new(prefix)?.enrollments, forwards: true, ..self })
    }

    /// The `number`th queue topic of a flow. No two pairs share a name, and none looks like another when Kafka's metrics
    /// write dots as underscores.
    ///
    /// Where the flow's part would take the name past Kafka's limit it is a hash instead, which cannot be mistaken for
    /// an escaped flow id: `h` is no hexadecimal digit.
    #[must_use]
    pub fn queue(&self, flow: &FlowId, number: u32) -> String {
        let whole = self.queue_name(&escaped(flow), number);
        if whole.len() <= MAX_NAME { whole } else { self.queue_name(&hashed(flow), number) }
    }

    /// What the names of all queue topics start with, and no other topic of this prefix.
    #[must_use]
    pub fn queue_prefix(&self) -> String {
        format!("{}{QUEUE}", self.prefix)
    }

    /// What a name says that looks like a queue topic's: the flow, `None` where a hash stands for it, and the number.
    /// Only [`Topics::queue`] tells whether it is exactly the name of that topic.
    #[must_use]
    pub fn queue_of(&self, name: &str) -> Option<(Option<FlowId>, u32)> {
        let (flow, number) = name.strip_prefix(&self.queue_prefix())?.rsplit_once('.')?;
        let number = number.parse().ok()?;
        if flow.starts_with("_h") {
            return Some((None, number));
        }
        Some((Some(FlowId::new(&unescaped(flow)?).ok()?), number))
    }

    /// The transactional id of a worker's producer: an equal one fences it.
    #[must_use]
    pub fn transactional_id(&self, instance: &str, worker: usize) -> String {
        format!("flowgate-{}-{instance}-{worker}", self.prefix)
    }

    fn queue_name(&self, flow: &str, number: u32) -> String {
        format!("{}{QUEUE}{flow}.{number}", self.prefix)
    }
}

const QUEUE: &str = ".queue.";
/// Characters of a hashed flow id.
const HASHED: usize = 2 + 32;
/// Digits of the highest number of a queue topic.
const MAX_DIGITS: usize = 10;

fn escaped(flow: &FlowId) -> String {
    let mut name = String::with_capacity(flow.as_str().len());
    for byte in flow.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            hex(&mut name, byte);
        }
    }
    name
}

/// The flow id that is written as `name`, if one is.
fn unescaped(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'_' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hashed(flow: &FlowId) -> String {
    format!("_h{}", crate::hex::write(&Sha256::digest(flow.as_str())[..16]))
}

fn hex(name: &mut String, byte: u8) {
    write!(name, "_{byte:02x}").expect("a string takes all that is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(text: &str) -> FlowId {
        FlowId::new(text).unwrap()
    }

    /// docs/contract.md, "Topics" and "The queue topics".
    #[test]
    fn names_as_the_contract_has_them() {
        let topics = Topics::new("flow").unwrap();
        assert_eq!(topics.dead_letters, "flow.dead-letters");
        assert_eq!(topics.queue(&id("Re-engage 30d"), 2), "flow.queue.Re-engage_2030d.2");
        assert_eq!(topics.queue(&id("a.b_c"), 1), "flow.queue.a_2eb_5fc.1");
        assert_eq!(topics.queue(&id("流"), 1), "flow.queue._e6_b5_81.1");
        assert_eq!(topics.group, "flowgate-flow");
        assert_eq!(topics.transactional_id("host-8714", 0), "flowgate-flow-host-8714-0");
    }

    #[test]
    fn a_name_that_would_be_too_long_is_a_hash() {
        let topics = Topics::new("flow").unwrap();
        let long = id(&("流".repeat(33) + "x"));
        let name = topics.queue(&long, 7);
        assert_eq!(name.len(), "flow.queue._h.7".len() + 32);
        assert!(name.starts_with("flow.queue._h"), "{name}");
        // The number counts: one digit more, and the same flow no longer fits.
        let edge = id(&("_".repeat(78) + "ab"));
        assert_eq!(topics.queue(&edge, 9).len(), MAX_NAME);
        assert!(topics.queue(&edge, 10).starts_with("flow.queue._h"));
    }

    #[test]
    fn prefixes() {
        assert_eq!(Topics::new(""), Err(BadPrefix::Empty));
        assert_eq!(Topics::new("a b"), Err(BadPrefix::Character(' ')));
        assert_eq!(Topics::new("流"), Err(BadPrefix::Character('流')));
        let longest = "p".repeat(Topics::MAX_PREFIX);
        let name = Topics::new(&longest).unwrap().queue(&id(&"*".repeat(100)), u32::MAX);
        assert_eq!(name.len(), MAX_NAME);
        assert!(Topics::new(&(longest + "p")).is_err());
    }

    fn flow() -> impl Strategy<Value = FlowId> {
        // Signs that escape, that look like escapes, and everything else; long ones among them.
        let text = prop_oneof!["[a_.h0-9-]{1,6}", "\\PC{1,30}", "[*_]{60,100}", "[a-f_流]{1,33}"];
        text.prop_filter_map("no flow id", |text| FlowId::new(&text).ok())
    }

    fn prefix() -> impl Strategy<Value = String> {
        prop_oneof!["[a-zA-Z0-9._-]{1,20}", "[a-z]{190,197}"]
    }

    proptest! {
        #[test]
        fn queue_names_are_valid_and_injective(
            prefix in prefix(), one in flow(), other in flow(), n in 1..200_u32, m: u32
        ) {
            let topics = Topics::new(&prefix).unwrap();
            let names = [topics.queue(&one, n), topics.queue(&other, n), topics.queue(&one, m), topics.queue(&other, m)];
            for name in &names {
                prop_assert!(name.len() <= MAX_NAME);
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{}", name);
                prop_assert!(name.starts_with(&topics.queue_prefix()));
            }
            if let Some((named, number)) = topics.queue_of(&topics.queue(&one, n)) {
                prop_assert!(named.is_none_or(|named| named == one) && number == n);
            } else {
                prop_assert!(false, "it is the name of a queue topic");
            }
            // As Kafka compares them: it refuses a topic whose name differs from another's in dots and underscores only.
            let [a, b, c, d] = names.map(|name| name.replace('.', "_"));
            prop_assert_eq!(a == b, one == other);
            prop_assert_eq!(a == c, n == m);
            prop_assert_eq!(a == d, one == other && n == m);
            // The likeliest twins: flows that are called what another flow's part of the name is.
            for twin in [escaped(&one), hashed(&one)] {
                if let Ok(twin) = FlowId::new(&twin) {
                    prop_assert_eq!(topics.queue(&one, n) == topics.queue(&twin, n), one == twin);
                }
            }
        }
    }
}
