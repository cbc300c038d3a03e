//! What is measured.

use std::fmt;

use crate::Result;

/// For `--help`.
pub const HELP: &str = "\
Cases, with F flows; `hold-100x5000` is one of 5,000 events for each of 100 flows:
  live-F      events of live flows, to `flow.records`
  hold-F      events of paused flows, to F topics; the loops copy into F topics, with 400,000 records or 1 s a
              transaction where F is more than one
  drain-F     flows resumed, with all events held; the loops copy as many from one topic to another
  latency-F   20,000 events a second of live flows: how old they are when they can be read downstream
  pause-F     18 live flows are paused one after another under full load, with events for F paused flows among it: from
              the pause in the topic to the last record of the flow downstream

The following are for gates alone, with F [and events] by default:
  restart-F   [1, 1,000,000] events are held, the gate is killed (-9) and started again under its name: until it delivers a
              live event that came meanwhile, and, the flows being resumed then, until the first held one
  rebuilt-F   [1, 1,000,000] the same, but resumed only when the indexes of paused flows have been rebuilt
  timers-F    [10,000, 5 each] pauses with deadlines spread over one second: how late the last state changes (p50 and p99:
              all states), the first record and the last live flow, from the first deadline on
  beside-F    [100, 1,000,000] as latency-F, after a restart with so many events held for one more flow in the same
              worker: while its index is rebuilt, then with nothing else to do, then while it drains
  scans-F     [100, 1,000,000] as latency-F, with so many events held for one more flow: alone, then beside ten requests over
              HTTP that look through these again and again (two of each of five callers); and how much later HTTP shows that
              a flow was paused or resumed than a reader of its topic can see it
  known-F     [100,000, 1 each] flows that were never paused: memory with all of them known, beyond that with as many events
              of one flow, and with them restored by another process; `known-2000000` is more than a worker records
  memory-F    [1x10000000, 200x20000, 1000x10000] distinct events are held, then all flows resumed at once: peaks of memory;
              `--records` scales all three
  repeats-F   [1, 10,000,000] the same with three events of each record, of which the last is delivered
  cost-F      [1, 10,000,000] CPU time of the drain of so many, beside that of 30 drains of 10,000
  footprint-F [10,000, 10 each] so many events are held, then delivered: what they and their flows take of the broker's
              disk, open and mapped files, and memory
  every-F     [10,000, 30,000 from the pause on] 5,000 events a second of live flows, all of which `pause --all` pauses: until each
              partition has answered; each event delivered at the wrong side of the pause, not once or out of order is
              a violation. Then `resume --all --rate 500`: what comes in a second, and how far flows are off their shares
  takeover-F  [100] 1,000 live events a second through two instances, one of which is killed (-9): until every partition
              delivers again; p50 and p99 are of all events
  rolling-F   [100] 20,000 live events a second through three instances that keep their names: each is stopped in good order and
              started again, then two leave for good, and come again: the longest time between two deliveries of one flow;
              each event is to be delivered once and in order

Besides the figures of all cases these print what only they measure, in a table of its own.";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Live,
    Hold,
    Drain,
    /// Live events that come at a steady pace.
    Latency,
    /// Live flows that are paused one after another while there is more to do than can be done.
    Pause,
    /// A gate that held events is killed, started again, and ordered to deliver them.
    Restart,
    /// The same when it had the time to rebuild its indexes.
    Rebuilt,
    /// Many pauses end at once.
    Timers,
    /// Live events at a steady pace beside other work.
    Beside,
    /// Live events at a steady pace beside callers who have topics read.
    Scans,
    /// Flows that were never paused.
    Known,
    /// Held, then drained.
    Memory,
    /// The same with records that come again.
    Repeats,
    /// Of a drained event, of few and of many.
    Cost,
    /// Held, and looked at on the broker.
    Footprint,
    /// All flows are paused by one command, and resumed with one rate.
    Every,
    /// An instance dies, another one has its partitions.
    Takeover,
    /// Instances are restarted one after the other.
    Rolling,
}

const KINDS: [(&str, Kind); 18] = [
    ("live", Kind::Live),
    ("hold", Kind::Hold),
    ("drain", Kind::Drain),
    ("latency", Kind::Latency),
    ("pause", Kind::Pause),
    ("restart", Kind::Restart),
    ("rebuilt", Kind::Rebuilt),
    ("timers", Kind::Timers),
    ("beside", Kind::Beside),
    ("scans", Kind::Scans),
    ("known", Kind::Known),
    ("memory", Kind::Memory),
    ("repeats", Kind::Repeats),
    ("cost", Kind::Cost),
    ("footprint", Kind::Footprint),
    ("every", Kind::Every),
    ("takeover", Kind::Takeover),
    ("rolling", Kind::Rolling),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub kind: Kind,
    pub flows: u32,
    /// Of one round.
    pub records: u32,
}

impl Case {
    /// Whether there are rounds before the first in which the broker's machine code is compiled.
    pub fn is_warmed(self) -> bool {
        matches!(self.kind, Kind::Live | Kind::Hold | Kind::Drain | Kind::Latency)
    }
}

/// The cases that were asked for, in that order.
pub fn all(asked: &[String], flows: &[u32], records: Option<u32>) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for word in asked {
        let (name, numbers) = word.split_once('-').map_or((word.as_str(), None), |(name, rest)| (name, Some(rest)));
        let kind = KINDS.iter().find(|(other, _)| *other == name).map(|(_, kind)| *kind);
        let kind = kind.ok_or_else(|| unknown(word))?;
        let of = |flows, records| Case { kind, flows, records };
        let some = match numbers {
            Some(numbers) => {
                let (flows, each) = numbers.split_once('x').map_or((numbers, None), |(flows, of)| (flows, Some(of)));
                let flows = flows.parse().map_err(|_| unknown(word))?;
                let each: Option<u32> = each.map(str::parse).transpose().map_err(|_| unknown(word))?;
                let records = match each {
                    Some(each) => each.checked_mul(flows).ok_or_else(|| format!("{word}: too many events"))?,
                    None => kind.records(flows, records),
                };
                vec![of(flows, records)]
            }
            None if kind == Kind::Memory => {
                let whole = records.unwrap_or(10_000_000);
                vec![of(1, whole), of(200, whole / 500 * 200), of(1000, whole / 1000 * 1000)]
            }
            None => {
                let number = kind.flows();
                let flows = number.as_ref().map_or(flows, std::slice::from_ref);
                flows.iter().map(|flows| of(*flows, kind.records(*flows, records))).collect()
            }
        };
        if let Some(Case { flows, records, .. }) = some.iter().find(|of| of.flows == 0 || of.flows > of.records) {
            return Err(format!("{word}: {flows} flows of {records} events").into());
        }
        cases.extend(some);
    }
    Ok(cases)
}

impl Kind {
    /// Flows where no number is given; `None`: those of `--flows`.
    fn flows(self) -> Option<u32> {
        match self {
            Self::Live | Self::Hold | Self::Drain | Self::Latency | Self::Pause | Self::Memory => None,
            Self::Restart | Self::Rebuilt | Self::Repeats | Self::Cost => Some(1),
            Self::Timers | Self::Footprint | Self::Every => Some(10_000),
            Self::Known => Some(100_000),
            Self::Beside | Self::Scans | Self::Takeover | Self::Rolling => Some(100),
        }
    }

    /// Events of so many flows, where not so many for each are asked for. Some cases have a number of their own.
    fn records(self, flows: u32, asked: Option<u32>) -> u32 {
        let default = match self {
            Self::Timers => return flows.saturating_mul(5),
            Self::Footprint => return flows.saturating_mul(10),
            Self::Known | Self::Takeover | Self::Rolling => return flows,
            Self::Live | Self::Hold => 2_000_000,
            Self::Drain | Self::Restart | Self::Rebuilt | Self::Beside | Self::Scans => 1_000_000,
            Self::Every => 30_000,
            Self::Latency => 200_000,
            Self::Pause => 3_000_000,
            Self::Memory | Self::Repeats | Self::Cost => 10_000_000,
        };
        asked.unwrap_or(default)
    }
}

fn unknown(word: &str) -> String {
    format!("no case `{word}`: they are called `live-100`, `hold-1`, `drain-1000`, `memory-200x20000`; see --help")
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or("", |(name, _)| name);
        write!(f, "{name}-{}", self.flows)?;
        match self.kind {
            // Where it is the number of each that matters.
            Kind::Memory | Kind::Timers | Kind::Known | Kind::Footprint => write!(f, "x{}", self.records / self.flows),
            _ => Ok(()),
        }
    }
}
