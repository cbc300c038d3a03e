//! What is measured.

use std::fmt;

use crate::Result;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Live,
    Hold,
    Drain,
    /// Live events that come at a steady pace.
    Latency,
    /// Live flows that are paused one after another while there is more to do than can be done.
    Pause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub kind: Kind,
    pub flows: u32,
    /// Of one round.
    pub records: u32,
}

/// The cases that were asked for, in that order.
pub fn all(asked: &[String], flows: &[u32], records: Option<u32>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for word in asked {
        let (kind, number) = match word.split_once('-') {
            Some((kind, number)) => (kind, Some(number.parse().map_err(|_| unknown(word))?)),
            None => (word.as_str(), None),
        };
        let kind = match kind {
            "live" => Kind::Live,
            "hold" => Kind::Hold,
            "drain" => Kind::Drain,
            "latency" => Kind::Latency,
            "pause" => Kind::Pause,
            _ => return Err(unknown(word).into()),
        };
        let records = records.unwrap_or(match kind {
            Kind::Live | Kind::Hold => 2_000_000,
            Kind::Drain => 1_000_000,
            Kind::Latency => 200_000,
            Kind::Pause => 3_000_000,
        });
        for flows in number.map_or_else(|| flows.to_vec(), |one| vec![one]) {
            if flows == 0 || flows > records {
                return Err(format!("{word}: {flows} flows of {records} events").into());
            }
            cases.push(Case { kind, flows, records });
        }
    }
    Ok(cases)
}

fn unknown(word: &str) -> String {
    format!("no case `{word}`: they are called `live-100`, `hold-1`, `drain-1000`")
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Live => "live",
            Kind::Hold => "hold",
            Kind::Drain => "drain",
            Kind::Latency => "latency",
            Kind::Pause => "pause",
        };
        write!(f, "{kind}-{}", self.flows)
    }
}
