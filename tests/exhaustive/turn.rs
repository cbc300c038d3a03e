//! What one turn makes of a partition, by the production rules. Every step is compared with the ledger's.

use std::time::Duration;

use flowgate::flow::arrive::Fate;
use flowgate::flow::command::apply;
use flowgate::flow::drain::{Passing, Survivor};
use flowgate::flow::{Event, Flow, Issue, Kind, Limits, Moment, PerKind, RecordId, State};
use flowgate::time::Timestamp;

use super::ledger::{End, Mode};
use super::log::{Entry, Log};
use super::orders::{Input, Issued};
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
    /// Entries that the cleaner has removed, a bit each.
    pub cleaned: u64,
}

impl Log {
    /// One turn: commands, timers, what is held, events, in this order.
    pub fn turn(&self, recall: &Recall, share: Share, around: Around<'_>) -> Self {
        let Around { now, max_pause, control, inputs, cleaned } = around;
        let mut turn = self.clone();
        turn.commands(control, now, max_pause);
        turn.timer(now);
        if recall.drains() {
            turn.drain(recall, share.entries, cleaned);
        }
        turn.settle(now);
        turn.events(share.events, inputs, now);
        turn.check(inputs, now, max_pause);
        turn.keyed()
    }

    fn commands(&mut self, control: &[Issued], now: i64, max_pause: i64) {
        let limits = Limits { max_pause: Duration::from_millis(max_pause.unsigned_abs()) };
        let from = usize::try_from(self.record.control).unwrap();
        for (offset, issued) in control.iter().enumerate().skip(from) {
            let command = issued.command(&self.id);
            let offset = i64::try_from(offset).unwrap();
            let issue = Issue { command: &command, offset, recorded_at: Timestamp(issued.recorded_at) };
            let moment = Moment { now: Timestamp(now), limits: &limits, gone: None };
            let applied = apply(&mut self.flow, &self.id, &mut self.record, &issue, &moment);
            self.record.control = offset + 1;
            let answer = (applied.outcome.verdict, applied.repeated);
            assert_eq!(answer, self.ledger.command(issued, now, max_pause), "P6: {issued:?} is answered {applied:?}");
        }
    }

    fn timer(&mut self, now: i64) {
        if let Some(flow) = &mut self.flow {
            flow.strike(Timestamp(now), Timestamp(now));
        }
        self.ledger.timer(now);
    }

    /// Passes what the cleaner has left, up to so many entries.
    fn drain(&mut self, recall: &Recall, entries: usize, cleaned: u64) {
        let Some(flow) = self.flow.as_mut().filter(|flow| flow.passes()) else { return };
        let replaced = recall.judge(&self.queue);
        let offset = flow.queue.watermark.offset;
        let unread = self.queue.iter().filter(|entry| entry.survivor.offset >= offset && !entry.is_in(cleaned));
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

    fn events(&mut self, events: usize, inputs: &[Input], now: i64) {
        let from = usize::try_from(self.record.input).unwrap();
        for (event, (kind, name)) in inputs.iter().enumerate().skip(from).take(events) {
            let flow = self.flow.get_or_insert_with(|| Flow::new(self.id.clone(), Timestamp(now)));
            let record = RecordId::new(&name.to_string()).unwrap();
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
        let Some(flow) = &self.flow else { return };
        let (state, deadline) = match self.ledger.mode {
            Mode::Live => ("live", None),
            Mode::Paused { until, .. } => ("paused", Some(until)),
            Mode::Resuming => ("resuming", None),
        };
        assert_eq!((flow.state_word(), flow.deadline()), (state, deadline.map(Timestamp)));
        if let State::Paused(pause) = &flow.state {
            assert!(pause.resumes_at.0 <= pause.paused_at.0 + max_pause, "P5: {pause:?}");
            assert!(now < pause.resumes_at.0, "P5: still paused at {now}: {pause:?}");
        }
        for (kind, of) in [(Kind::Enroll, (|c| c.enroll) as fn(&PerKind) -> u64), (Kind::Advance, |c| c.advance)] {
            let ended = |end| {
                let all = self.ledger.ends.iter().zip(inputs);
                all.filter(|(ended, input)| **ended == Some(end) && input.0 == kind).count() as u64
            };
            let fates = [End::Released, End::Replaced, End::Removed, End::TurnedAway].map(ended);
            let counts = &flow.counts;
            let counted =
                [counts.released, counts.replaced, counts.removed, counts.turned_away].map(|count| of(&count));
            let held = self.ledger.held(kind) as u64;
            assert_eq!((counted, of(&counts.held())), (fates, held), "P1: counts of {kind:?}");
        }
        let (queue, held) = (&flow.queue, flow.counts.held());
        let beyond = (queue.enrolls - queue.watermark.enrolls, queue.advances - queue.watermark.advances);
        assert_eq!(beyond, (held.enroll, held.advance), "P1: entries beyond the watermark");
        let taken = usize::try_from(self.record.input).unwrap();
        for (event, end) in self.ledger.ends.iter().enumerate() {
            let held = self.ledger.backlog.iter().any(|held| held.event == event && inputs[event].0 != Kind::Withdraw);
            assert_eq!(end.is_some() || held, event < taken, "P1: event {event} of {taken} read");
        }
    }
}
