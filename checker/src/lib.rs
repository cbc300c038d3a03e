//! Recomputes the fate of every event from the topics alone, and compares it with what is in them.
//!
//! It is a second reading of the contract (docs/contract.md): it shares no code with the gate, so that a misunderstanding has to be made
//! twice to go unseen. Its input are plain records ([`Log`]), its output is a [`Report`]: the two sums of promise P1 for
//! each flow, and every [`Anomaly`], a sentence each.
//!
//! Read all topics with `read_committed` and **at rest**: when every event and every command has been read by the gate. A
//! drain that is still under way is fine, an input that is still unread is reported as lost.
//!
//! It is tolerant where the contract leaves something to timing, and here and there where the contract is stricter; then it asks
//! the topics:
//! - a withdraw that comes in a drain: an entry delivered before it is released, one not delivered is replaced, unless a
//!   later entry was delivered before the withdraw (then the drain had passed it: it is lost);
//! - whether such a withdraw is an entry itself: the next entry number of the audit decides;
//! - how far a drain has come that is still under way: between the last fate that can be seen and the next that would have
//!   to be, the public state's watermark counts;
//! - `max_age_seconds`: the transitions around an entry bound its age, to 120 s (two gates, each within 60 s of the broker);
//!   between the bounds, released and removed are both right, but never both;
//! - odd events (`"kind": null`, integers beyond 64 bits, lone surrogates; 64 KiB and more; times beyond the year 9999):
//!   a dead letter is as right as a delivery, but only one of them;
//! - a newer event of a record, or a withdraw, that comes while a sample of that record looks for its entry: it may have been
//!   released before, but a withdraw that was delivered ahead of it came before;
//! - which entries a sample of named records has taken: the delivered records tell, and by how many the end of the sample says
//!   there were; of a sample that something else has ended, or that is under way, the first part of what it had to release;
//! - whether a withdraw is an entry where nothing but withdraws and entries that may be taken is left: the next entry number
//!   of the audit decides;
//! - a newer event of a record that comes while a purge or a sample is under way: the entry that it would replace may have
//!   been passed before;
//! - whether a default of `*` had come to its deadline when a flow was first seen: within 120 s of it both are right. A
//!   deadline that no command gives is the public states' to say, and where none does both are right at any time;
//! - a flow that is not even told of under a default (its first event passes): wrong only where something was told behind
//!   that event before the deadline;
//! - whether a command for `*` came before a timer's end of the flow's pause, or a drain's end, that has the same place of the
//!   input: both are right;
//! - a resume of `*` that finds only flows that it does nothing to, which resume already from a pause of `*`: `applied`
//!   and `unchanged` are both right;
//! - what lies beyond the entries that somebody deleted, and is accepted as lost: right where something newer had replaced it
//!   (the cleaner may have taken it), and of a withdraw everywhere;
//! - the partition count of the records topic, which no topic names: the one that agrees with most flows.
//!
//! Not known yet: enrollments of which retention has taken a part.
//!
//! One file a verb:
//! - `gather`, `understand`: read the enrollments, telling what is understood, broken, or at the wrong partition;
//! - `follow`: reads commands and audit, telling what took effect where;
//! - `orders`: reads what a transition's command orders;
//! - `errands`: what passes entries of a paused flow; `succession`: which transition can follow which;
//! - `answers`: who has to answer a command; `defaults`: what commands for `*` leave behind in a partition; `total`: what they
//!   did to each flow;
//! - `walk`: takes the events of one flow through its transitions: live, held, turned away;
//! - `settle`: gives every held event its fate;
//! - `find`: looks for every event among the delivered records;
//! - `order`: compares the order of what was found;
//! - `judge`, `compare`: what should be against what is, for a flow and for an event; makes the sums; `court` has what they
//!   judge by;
//! - `examine`: all of that up to `find`, for every judge;
//! - `promises`: what is not about single events, a file a judge: see [`promises()`];
//! - `tally`: counts what purges and samples passed; `expect`: whether commands that expect something were answered rightly;
//! - `loss`: what was accepted as lost; `named`, `taken`: samples of named records, what they take and whether they had to;
//! - `reroute`, `reject`: twins at home; dead letters and discarded records; `redriven`: letters that somebody put back;
//! - `states`, `count`: the gate's last word on each flow, and its counters against the sums.
//!
//! Beside it, and independent of all that, [`replay()`] plays everything again on an ordinary list and compares sequences.

mod anomaly;
mod answers;
mod compare;
mod count;
mod court;
mod defaults;
mod errands;
mod examine;
mod expect;
mod find;
mod follow;
mod gather;
mod home;
mod judge;
mod loss;
mod named;
mod order;
mod orders;
mod promises;
mod record;
mod redriven;
mod reject;
mod replay;
mod report;
mod reroute;
mod settle;
mod states;
mod succession;
mod taken;
mod tally;
mod time;
mod told;
mod total;
mod understand;
mod walk;
mod wanted;

use std::collections::HashMap;

use court::{Case, Court, Judgement};
use examine::Examined;
use gather::Topics;

pub use anomaly::{Anomaly, Fault, Place};
pub use home::{home, murmur2};
pub use promises::{Circumstances, Retention, promises};
pub use record::{Header, Log, Record};
pub use replay::{Departure, Difference, Replay, replay};
pub use report::{Commands, Kind, PerKind, Report, Sums};

/// Checks a log.
#[must_use]
pub fn check(log: &Log) -> Report {
    let topics = Topics { prefix: &log.prefix };
    let mut anomalies = Vec::new();
    let Examined { rejected, gathered, followed, gates, walks, fates, found } =
        Examined::of(log, topics, &mut anomalies);
    let reroutes = reroute::reroutes(&gathered, topics, log.enrollment_partitions, &mut anomalies);
    let dead = reject::dead_letters(log, topics, &gathered, &rejected, &mut anomalies);
    reject::homeless(log, topics, &gathered, &rejected.discarded, &mut anomalies);
    for record in &found.strangers {
        let fault = Fault::Unexplained { at: topics.place("records", record), why: "no event has these bytes" };
        anomalies.push(Anomaly { flow: None, fault });
    }
    let partitions = order::partitions(&gathered, &found, log.enrollment_partitions);
    let mut copies: HashMap<usize, Vec<(usize, Place)>> = HashMap::new();
    for (event, delivery) in &found.copies {
        let place = topics.place("records", delivery.record);
        copies.entry(gathered.events[*event].flow).or_default().push((*event, place));
    }

    let mut report = Report { flowless_dead: dead.flowless, commands: followed.commands, ..Report::default() };
    report.events = log.enrollments.len() as u64;
    let mut left = count::left(log);
    let mut paused = total::Paused::default();
    let court = Court { log, topics, gathered: &gathered, fates, found, discarded: rejected.discarded };
    for (index, flow) in gathered.flows.iter().enumerate() {
        let transitions = followed.of(&flow.name);
        let gate = gates.get(&*flow.name).and_then(Option::as_ref);
        let partition = home(&flow.name, partitions);
        let walk = &walks[index];
        let case = Case { flow: index, walk, transitions, gate, partition };
        let mut judgement = court.judge(&case);
        for (event, at) in copies.remove(&index).unwrap_or_default() {
            judgement.copy(&court, event, at);
        }
        court.errands(&case, &mut judgement);
        court.losses(&case, &mut judgement);
        court.taken(&case, &mut judgement);
        let verdicts = followed.verdicts.get(&*flow.name).map_or(&[][..], Vec::as_slice);
        expect::expect(verdicts, transitions, walk, &gathered, &mut judgement.faults);
        if let Some(partition) = followed.defaults.of(home(&flow.name, log.enrollment_partitions)) {
            total::judge(partition, &case, verdicts, &gathered, (&mut paused, &mut judgement.faults));
        }
        for (at, why) in &walk.faults {
            judgement.faults.push(Fault::Audit { at: transitions[*at].place.clone(), why: why.clone() });
        }
        count::held(log, topics, (&gathered, index), &mut judgement, &mut left);
        match gate {
            Some(gate) => {
                let before = count::turned_away(walk, &gathered, index);
                count::compare(gate, walk, &judgement.sums, before, &mut judgement.faults);
                count::withdrawn(gate, walk, &gathered, index, &mut judgement.faults);
            }
            None => count::absent(log, &gates, &flow.name, (walk, transitions), &mut judgement.faults),
        }
        let Judgement { mut sums, faults, .. } = judgement;
        dead.add_to(index, &mut sums);
        sums.rerouted = reroutes.get(&index).copied().unwrap_or_default();
        anomalies.extend(faults.into_iter().map(|fault| Anomaly { flow: Some(flow.name.to_string()), fault }));
        report.flows.insert(flow.name.to_string(), sums);
    }
    total::resumes(&followed.defaults, &paused, &mut anomalies);
    anomalies.extend(followed.anomalies);
    redriven::redriven(log, topics, &mut anomalies);
    report.anomalies = anomalies;
    report
}
