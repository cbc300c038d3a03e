//! Notices a worker that takes nothing of a partition although its log goes on.
//!
//! After leaders or connections have changed, librdkafka may fetch nothing of a partition any more, without an error (its issues
//! 2625 and 4492 among others). Then no call fails and no turn is late: it shows only to whoever compares the log with what
//! was taken of it. The remedy is that of its users: new clients.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::flow::FlowId;
use crate::worker::Snapshot;

/// So long an event waits, and nothing at all goes on in its partition, before the worker begins anew.
const PATIENCE: Duration = Duration::from_secs(30);

/// A worker that has not shown itself for so long hangs in a call, which the watchdog looks after.
const HANGS: Duration = Duration::from_secs(5);

/// What was seen of the partitions in which events wait, by worker and partition.
#[derive(Default)]
pub(super) struct Stalled(BTreeMap<(usize, i32), Seen>);

struct Seen {
    since: Instant,
    /// Changes as soon as anything goes on.
    progress: Progress,
}

#[derive(PartialEq, Eq)]
struct Progress {
    position: i64,
    /// Turns that were undone.
    aborts: u64,
    indexing: BTreeMap<FlowId, u64>,
}

impl Stalled {
    /// Events wait in these partitions of a worker. Returns a partition in which nothing has gone on for too long.
    pub fn look(&mut self, (worker, shot): (usize, &Snapshot), waiting: &BTreeSet<i32>, now: Instant) -> Option<i32> {
        let hangs = shot.taken_at.is_none_or(|taken| now.saturating_duration_since(taken) > HANGS);
        let is_told =
            hangs || shot.commands_wait || shot.blocked.iter().any(|(kind, _)| *kind != Snapshot::OF_ONE_FLOW);
        let mut seen = BTreeMap::new();
        for partition in shot.partitions.iter().filter(|partition| waiting.contains(&partition.number) && !is_told) {
            let indexing = shot.indexing.clone();
            let progress = Progress { position: partition.position, aborts: shot.stats.aborts, indexing };
            let before = self.0.remove(&(worker, partition.number)).filter(|before| before.progress == progress);
            let since = before.map_or(now, |before| before.since);
            seen.insert((worker, partition.number), Seen { since, progress });
        }
        self.0.retain(|(of, _), _| *of != worker);
        let is_late = |of: &Seen| now.saturating_duration_since(of.since) >= PATIENCE;
        let late = seen.iter().find(|(_, of)| is_late(of)).map(|((_, partition), _)| *partition);
        if late.is_none() {
            // The others have been looked at for as long, and begin anew with it.
            self.0.append(&mut seen);
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::PartitionShot;

    /// Looks once a second; after how many seconds it was too long.
    fn late(seconds: u64, shot: impl Fn(u64) -> Snapshot) -> Option<(u64, i32)> {
        let (mut stalled, began) = (Stalled::default(), Instant::now());
        (0..=seconds).find_map(|second| {
            let now = began + Duration::from_secs(second);
            // Another worker's partitions are its own.
            assert_eq!(stalled.look((1, &Snapshot::default()), &BTreeSet::new(), now), None);
            let waiting = BTreeSet::from([3, 4]);
            let mut shot = shot(second);
            shot.taken_at = shot.taken_at.or(Some(now));
            stalled.look((0, &shot), &waiting, now).map(|partition| (second, partition))
        })
    }

    fn shot(positions: [i64; 3]) -> Snapshot {
        let partitions = (2..).zip(positions);
        let partitions = partitions.map(|(number, position)| PartitionShot { number, stage: "active", position });
        Snapshot { partitions: partitions.collect(), ..Snapshot::default() }
    }

    #[test]
    fn a_partition_whose_events_wait_for_half_a_minute_is_stalled() {
        assert_eq!(late(60, |second| shot([0, second as i64, 7])), Some((30, 4)));
        let moves_at = |at| move |second| shot([0, second as i64, 7 + i64::from(second >= at)]);
        assert_eq!(late(60, moves_at(20)), Some((50, 4)));
        assert_eq!(late(29, moves_at(0)), None);
        // Nothing waits there.
        assert_eq!(late(60, |second| shot([0, second as i64, second as i64])), None);
    }

    #[test]
    fn what_is_told_or_goes_on_otherwise_is_none() {
        let with = |adjust: fn(&mut Snapshot, u64)| {
            move |second| {
                let mut shot = shot([0, 1, 2]);
                adjust(&mut shot, second);
                shot
            }
        };
        assert_eq!(late(90, with(|shot, _| shot.commands_wait = true)), None);
        let began = Instant::now();
        let hangs = |second| Snapshot { taken_at: Some(began), ..shot([0, 1, second as i64]) };
        assert_eq!(late(90, hangs), None);
        assert_eq!(late(90, with(|shot, _| shot.blocked.push(("queue_topic", String::new())))), None);
        assert_eq!(late(90, with(|shot, second| shot.stats.aborts = second)), None);
        let indexing =
            |shot: &mut Snapshot, second: u64| shot.indexing.extend([(FlowId::new("a").unwrap(), 1_000 - second)]);
        assert_eq!(late(90, with(indexing)), None);
        // One flow that does not go on is no reason for the others.
        assert_eq!(late(90, with(|shot, _| shot.blocked.push((Snapshot::OF_ONE_FLOW, String::new())))), Some((30, 3)));
        // It begins again when it was told.
        let told = |shot: &mut Snapshot, second: u64| shot.commands_wait = second == 29;
        assert_eq!(late(90, with(told)), Some((60, 3)));
    }
}
