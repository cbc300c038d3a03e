//! A turn for one record that the broker has refused, and for nothing else: it is written in another way ([`Treatment`]).

use super::decider::Decider;
use super::letters::without_value;
use crate::broker::Record;
use crate::flow::FlowId;
use crate::time::Timestamp;
use crate::worker::options::Options;
use crate::worker::session::decision::{Decision, Purpose};
use crate::worker::session::outgoing::Origin;
use crate::worker::session::refusal::{Alone, Treatment};
use crate::worker::session::table::Table;

pub(super) fn decide(
    table: &Table,
    options: &Options,
    origin: &Origin,
    record: Option<&Record>,
    now: Timestamp,
) -> Decision {
    let treated = |treatment: Treatment| {
        let purpose = Purpose::Refused(Alone { origin: origin.clone(), treatment });
        // Everything else that was gathered comes again.
        let decision = Decision { reread_all: true, ..Decision::new(purpose, now) };
        let time_of_writing = treatment.time_of_writing();
        let mut decider = Decider { time_of_writing, ..Decider::new(table, options, decision) };
        match (origin, record) {
            (Origin::Event { .. }, Some(record)) => decider.refused_event(record.clone(), treatment),
            (Origin::Entry { partition, flow, .. }, _) => decider.refused_entry(*partition, flow, treatment),
            (Origin::Event { .. } | Origin::Command { .. } | Origin::Own, _) => {}
        }
        decider.records();
        decider.decision
    };
    let as_ever = treated(Treatment::NONE);
    match table.refused.get(origin) {
        // A pause or an order about what is held may send it elsewhere by now.
        Some(refused) if as_ever.writes.iter().any(|write| write.to == refused.by) => treated(refused.treatment),
        _ => as_ever,
    }
}

impl Decider<'_> {
    /// An event that the broker refused, alone in its turn.
    fn refused_event(&mut self, record: Record, treatment: Treatment) {
        let table = self.table;
        let Some(owned) = table.takes_events(record.partition) else { return };
        match treatment {
            // Alone in its turn, it waits for no topic.
            Treatment::Whole { .. } => drop(self.event(record, owned)),
            Treatment::WithoutValue(reason) => {
                self.pass_over(&record, owned);
                self.bury(&record, reason, &without_value(reason, &record.value), None);
            }
            Treatment::Bare(reason) => {
                self.pass_over(&record, owned);
                let detail = without_value(reason, &record.value);
                self.bury(&Record { key: None, headers: Vec::new(), ..record }, reason, &detail, None);
            }
        }
    }

    /// The next entry of a drain or of a search, which the broker refused downstream, alone in its turn.
    fn refused_entry(&mut self, partition: i32, flow: &FlowId, treatment: Treatment) {
        let table = self.table;
        let Some(owned) = table.owned.get(&partition) else { return };
        let Some(tracked) = owned.facts.flow(flow) else { return };
        let front = tracked.front();
        match (&tracked.search, front) {
            (Some(_), Some(found)) => self.release_by_name(partition, owned, tracked, found),
            _ => self.drain_first(partition, owned, tracked),
        }
        match (treatment, front) {
            (Treatment::WithoutValue(reason), Some(waiting)) => {
                self.bury_entry(partition, flow, waiting, reason, false);
            }
            (Treatment::Bare(reason), Some(waiting)) => self.bury_entry(partition, flow, waiting, reason, true),
            (Treatment::Whole { .. }, _) | (_, None) => {}
        }
        // Not before: what could not be released does not count in a sample.
        self.settle(partition, flow);
    }
}
