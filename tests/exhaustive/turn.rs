//! What one turn makes of a partition, by the production rules. Every step is compared with the ledger's.

use std::time::Duration;

use flowgate::flow::arrive::Fate;
use flowgate::flow::command::apply;
use flowgate::flow::drain::{Passing, Survivor};
use flowgate::flow::every::Every;
use flowgate::flow::{
    Event, Flow, FlowId, Issue, Kind, Limits, Moment, Partition, PerKind, State, Transition, Verdict,
};
use flowgate::time::Timestamp;

use super::ledger::{End, Mode};
use super::log::{Entry, Log};
use super::missing::Missing;
use super::orders::{self, Input, Issued};
use super::recall::Recall;

/// How far one turn goes in a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Share {
    pub entries: usize,
    pub events: usize,
}

/// What a turn finds that is not in the log's own hands.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    pub now: i64,
    pub max_pause: i64,
    pub control: &'a [Issued],
    pub inputs: &'a [Input],
    pub missing: Missing,
}

impl Log {
    /// One turn: commands, timers, what is held, events, in this order.
    pub fn turn(&self, recall: &Recall, share: Share, around: Around<'_>) -> Self {
        let Around { now, max_pause, inputs, missing, .. } = around;
        let mut turn = self.clone();
        turn.commands(around);
        turn.timer(now);
        turn.search(recall, share.entries, around);
        if recall.drains() {
            turn.drain(recall, share.entries, missing);
        }
        turn.settle(now);
        turn.events(share.events, around);
        turn.check(inputs, now, max_pause);
        turn.keyed()
    }

    fn commands(&mut self, around: Around<'_>) {
        let Around { now, max_pause, control, missing, .. } = around;
        let limits = limits(max_pause);
        // What the worker knows is what it has read of the flow as it was committed.
        let gone = self.gone(missing);
        let from = usize::try_from(self.record.control).unwrap();
        for (offset, issued) in control.iter().enumerate().skip(from) {
            let command = issued.command(&self.id);
            let offset = i64::try_from(offset).unwrap();
            let issue = Issue { command: &command, offset, recorded_at: Timestamp(issued.recorded_at) };
            let answer = if issued.order.is_for_every() {
                self.every(&issue, now, &limits)
            } else {
                let moment = Moment { now: Timestamp(now), limits: &limits, gone: gone.map(|(gone, _)| gone) };
                let applied = apply(&mut self.flow, &self.id, &mut self.record, &issue, &moment);
                (applied.outcome.verdict, applied.repeated)
            };
            self.record.control = offset + 1;
            let expected = self.ledger.command(issued, gone.map(|(_, event)| event), (now, max_pause));
            assert_eq!(answer, expected, "P6: the answer to {issued:?}");
        }
    }

    /// Every flow of the partition: the one, if it is known.
    fn every(&mut self, issue: &Issue<'_>, now: i64, limits: &Limits) -> (Verdict, bool) {
        let answer = match Every::begin(&mut self.record, *issue, Timestamp(now), limits) {
            Err(answer) => answer,
            Ok(mut every) => {
                if let Some(flow) = &mut self.flow {
                    every.order(flow);
                }
                every.end(&mut self.record)
            }
        };
        (answer.outcome.verdict, answer.repeated)
    }

    fn timer(&mut self, now: i64) {
        if let Some(flow) = &mut self.flow {
            flow.strike(Timestamp(now), Timestamp(now));
        }
        self.ledger.timer(now);
    }

    /// Releases so many of what was found of named records; with none the search still goes on.
    fn search(&mut self, recall: &Recall, entries: usize, around: Around<'_>) {
        let Some(flow) = &mut self.flow else { return };
        let Some(search) = recall.search.as_ref().filter(|search| entries > 0 && search.is_of(flow)) else { return };
        let mut found = self.queue.iter().filter(|entry| search.has_found(entry));
        for entry in found.by_ref().take(entries) {
            let taken = flow.take(entry.survivor.number, entry.survivor.kind);
            assert!(taken, "event {} is found and not wanted", entry.event);
            self.ledger.take(entry.event);
        }
        if found.next().is_none() {
            let there = |entry: &&Entry| !around.missing.has(entry);
            let there: Vec<_> = self.queue.iter().filter(there).map(|entry| entry.event).collect();
            let released = self.ledger.end_search(&there);
            let ended = flow.end_search(Timestamp(around.now));
            let [Transition::Sampled(done)] = &ended[..] else { panic!("a search ends with {ended:?}") };
            assert_eq!(done.count.total(), released, "{ended:?}");
        }
    }

    /// Passes what is left, up to so many entries.
    fn drain(&mut self, recall: &Recall, entries: usize, missing: Missing) {
        let Some(flow) = self.flow.as_mut().filter(|flow| flow.passes()) else { return };
        if missing.blocks(flow.queue.watermark.entry) {
            return;
        }
        let replaced = recall.judge(&self.queue);
        let offset = flow.queue.watermark.offset;
        let unread = self.queue.iter().filter(|entry| entry.survivor.offset >= offset && !missing.has(entry));
        for entry in unread.take(entries) {
            let passing = flow.pass(&entry.survivor, replaced(entry));
            if passing == Passing::Stays {
                if self.ledger.passes() {
                    self.ledger.pass_before(entry.event);
                }
                break;
            }
            self.ledger.pass_through(entry.event);
            let expected = match self.ledger.ends[entry.event] {
                Some(End::Released) => Passing::Release,
                Some(End::Taken) => Passing::Taken,
                Some(End::Replaced) => Passing::Replaced,
                Some(End::Live) => Passing::Withdrawal,
                Some(End::Removed) => {
                    assert!(matches!(passing, Passing::Remove(_)), "P1: event {} is {passing:?}", entry.event);
                    continue;
                }
                ended => panic!("P1: event {} was held and is {ended:?}", entry.event),
            };
            assert_eq!(passing, expected, "P1: event {}", entry.event);
        }
    }

    fn settle(&mut self, now: i64) {
        if let Some(flow) = &mut self.flow {
            flow.settle(Timestamp(now));
        }
        self.ledger.settle();
    }

    /// It is first seen: a default that is in force pauses it.
    fn first_seen(id: &FlowId, record: &Partition, now: i64, max_pause: i64) -> Flow {
        let mut flow = Flow::new(id.clone(), Timestamp(now));
        if let Some(default) = record.default_in_force(Timestamp(now)) {
            flow.begin_default(default, Timestamp(now), &limits(max_pause));
        }
        flow
    }

    fn events(&mut self, events: usize, around: Around<'_>) {
        let Around { now, max_pause, inputs, .. } = around;
        let from = usize::try_from(self.record.input).unwrap();
        for (event, (kind, name)) in inputs.iter().enumerate().skip(from).take(events) {
            self.ledger.see(now, max_pause);
            let flow = self.flow.get_or_insert_with(|| Self::first_seen(&self.id, &self.record, now, max_pause));
            let record = orders::record(*name);
            let fate = flow.arrive(&Event { flow: self.id.clone(), record: record.clone(), kind: *kind });
            self.record.input += 1;
            self.ledger.arrive(event, (*kind, *name));
            let held = self.ledger.backlog.last().is_some_and(|held| held.event == event);
            let ended = self.ledger.ends[event];
            match fate {
                Fate::Deliver => assert_eq!((held, ended), (false, Some(End::Live)), "P1: event {event}"),
                Fate::TurnAway { .. } => assert_eq!((held, ended), (false, Some(End::TurnedAway)), "P1: event {event}"),
                Fate::Withdraw(_) => assert_eq!((held, ended), (true, Some(End::Live)), "P1: event {event}"),
                Fate::Hold(_) => assert_eq!((held, ended), (true, None), "P1: event {event}"),
            }
            if let Fate::Hold(entry) | Fate::Withdraw(entry) = fate {
                // Markers and tombstones leave gaps in offsets.
                let offset = i64::try_from(entry.number).unwrap() * 3;
                let (number, enrolls, advances) = (entry.number, entry.enrolls, entry.advances);
                let survivor = Survivor { number, enrolls, advances, kind: *kind, held_at: Timestamp(now), offset };
                self.queue.push(Entry { event, record, latest: entry.latest, survivor });
            }
        }
    }

    /// What holds of everything that is committed.
    fn check(&self, inputs: &[Input], now: i64, max_pause: i64) {
        self.ledger.check_order(inputs);
        let default = self.record.default_in_force(Timestamp(now)).map(|default| default.pause.resumes_at.0);
        assert_eq!(default, self.ledger.default_until(now), "the default of the partition");
        assert_eq!(self.flow.is_some(), self.ledger.known, "whether it is known");
        let Some(flow) = &self.flow else { return };
        let (state, deadline, by_all) = match self.ledger.mode {
            Mode::Live => ("live", None, None),
            Mode::Paused(pause) => ("paused", Some(Timestamp(pause.until)), Some(pause.by_all)),
            Mode::Resuming { by_all } => ("resuming", None, Some(by_all)),
        };
        let stands = (flow.state_word(), flow.deadline(), flow.pause().map(|pause| pause.by_all));
        assert_eq!(stands, (state, deadline, by_all));
        let sample = flow.sample.as_ref().map(|sample| sample.released.total());
        assert_eq!(sample, self.ledger.sampled(), "a sample has released");
        if let State::Paused(pause) = &flow.state {
            assert!(pause.resumes_at.0 <= pause.paused_at.0 + max_pause, "P5: {pause:?}");
            let since = matches!(self.ledger.mode, Mode::Paused(of) if of.since == pause.paused_at.0);
            assert!(since, "P5: paused since another time than {:?}: {pause:?}", self.ledger.mode);
            assert!(now < pause.resumes_at.0, "P5: still paused at {now}: {pause:?}");
        }
        for (kind, of) in [(Kind::Enroll, (|c| c.enroll) as fn(&PerKind) -> u64), (Kind::Advance, |c| c.advance)] {
            let ended = |ends: &[End]| {
                let all = self.ledger.ends.iter().zip(inputs);
                all.filter(|(ended, input)| ended.is_some_and(|end| ends.contains(&end)) && input.0 == kind).count()
                    as u64
            };
            let fates: [&[End]; 5] =
                [&[End::Released, End::Taken], &[End::Replaced], &[End::Removed], &[End::Lost], &[End::TurnedAway]];
            let fates = fates.map(ended);
            let counts = &flow.counts;
            let counted = [counts.released, counts.replaced, counts.removed, counts.lost, counts.turned_away];
            let counted = counted.map(|count| of(&count));
            let held = self.ledger.held(kind) as u64;
            assert_eq!((counted, of(&counts.held())), (fates, held), "P1: counts of {kind:?}");
        }
        let (queue, held) = (&flow.queue, flow.counts.held());
        let taken = queue.taken.count();
        let beyond = (
            queue.enrolls - queue.watermark.enrolls - taken.enroll,
            queue.advances - queue.watermark.advances - taken.advance,
        );
        assert_eq!(beyond, (held.enroll, held.advance), "P1: entries beyond the watermark");
        let read = usize::try_from(self.record.input).unwrap();
        for (event, end) in self.ledger.ends.iter().enumerate() {
            let held = self.ledger.backlog.iter().any(|held| held.event == event && inputs[event].0 != Kind::Withdraw);
            assert_eq!(end.is_some() || held, event < read, "P1: event {event} of {read} read");
        }
    }
}

fn limits(max_pause: i64) -> Limits {
    Limits { max_pause: Duration::from_millis(max_pause.unsigned_abs()) }
}
