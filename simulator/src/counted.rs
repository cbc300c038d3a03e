//! What has happened in a run, apart from faults of calls.

use std::collections::BTreeMap;

use flowgate::broker::memory::Arrived;

/// How often something happened to a worker, by the phase that it was about to begin.
pub type ByPhase = BTreeMap<&'static str, u64>;

/// What has happened, apart from faults of calls.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    pub steps: u64,
    pub crashes: ByPhase,
    pub freezes: ByPhase,
    pub zombie_steps: u64,
    pub fenced: u64,
    pub clock_jumps: u64,
    pub strays: Arrived,
    pub cleanings: u64,
    pub retentions: u64,
    /// Generations of the group after the first.
    pub rebalances: u64,
    /// Starts of a process when none was left, with everything at rest.
    pub restarts: u64,
    /// Pauses that were left to their timers at the end.
    pub expiries: u64,
    /// Times that a slow broker was waited for by a worker with nothing else to do.
    pub slow_answers: u64,
    /// Members that the group threw out because they did not poll.
    pub thrown_out: u64,
    pub early_commands: u64,
    pub strays_with_headers: u64,
    /// Events with more than one oddity.
    pub odd_in_many_ways: u64,
    /// Offsets that expired, were set back and were set ahead.
    pub losses: [u64; 3],
    /// Partitions that went on after their offset had expired, since they had been left cleanly.
    pub gone_on_cleanly: u64,
    /// Processes that ended with exit code 9, rightly.
    pub positions_lost: u64,
    /// Deadlines that a lowered `max_pause` brought down.
    pub capped: u64,
    /// Drains with a rate: of a resume's, and of a pause's end.
    pub limited: [u64; 2],
    /// Drains that got another order while something was left.
    pub redirected: u64,
    /// Purges that discarded something, and those that a resume, a timer or another purge came into.
    pub purges: [u64; 2],
    /// Samples that released something, and those that ended with their pauses.
    pub samples: [u64; 2],
    /// Samples of named records that released something: to their ends, and those that something came into.
    pub named: [u64; 2],
    /// Commands for every flow that a partition applied: pauses and resumes.
    pub every: [u64; 2],
    /// Turns that had no room for every flow of a partition.
    pub divided: u64,
    /// Flows that were paused as they were first seen.
    pub by_default: u64,
    /// Deletions of held events and of whole queue topics by somebody.
    pub deletions: [u64; 2],
    /// Losses of something that were accepted.
    pub accepted: u64,
    pub forgotten: u64,
    /// Commands that were rejected for where their flows stood.
    pub changed_meanwhile: u64,
    /// Warnings of a day and of an hour before a deadline.
    pub warnings: [u64; 2],
}

impl Counted {
    pub fn add(&mut self, of: &Self) {
        let to = self;
        to.steps += of.steps;
        for (to, of) in [(&mut to.crashes, &of.crashes), (&mut to.freezes, &of.freezes)] {
            of.iter().for_each(|(phase, count)| *to.entry(phase).or_default() += count);
        }
        to.zombie_steps += of.zombie_steps;
        to.fenced += of.fenced;
        to.clock_jumps += of.clock_jumps;
        to.strays += of.strays;
        to.restarts += of.restarts;
        to.expiries += of.expiries;
        to.slow_answers += of.slow_answers;
        to.thrown_out += of.thrown_out;
        to.early_commands += of.early_commands;
        to.strays_with_headers += of.strays_with_headers;
        to.odd_in_many_ways += of.odd_in_many_ways;
        to.losses = sums(to.losses, of.losses);
        to.gone_on_cleanly += of.gone_on_cleanly;
        to.positions_lost += of.positions_lost;
        to.capped += of.capped;
        to.limited = sums(to.limited, of.limited);
        to.redirected += of.redirected;
        to.purges = sums(to.purges, of.purges);
        to.samples = sums(to.samples, of.samples);
        to.named = sums(to.named, of.named);
        to.every = sums(to.every, of.every);
        to.divided += of.divided;
        to.by_default += of.by_default;
        to.deletions = sums(to.deletions, of.deletions);
        to.accepted += of.accepted;
        to.forgotten += of.forgotten;
        to.changed_meanwhile += of.changed_meanwhile;
        to.warnings = sums(to.warnings, of.warnings);
        to.cleanings += of.cleanings;
        to.retentions += of.retentions;
        to.rebalances += of.rebalances;
    }

    /// Kinds of things that never happened, but for crashes and freezes.
    #[must_use]
    pub fn never(&self) -> Vec<&'static str> {
        let Counted {
            steps: _,
            crashes: _,
            freezes: _,
            zombie_steps,
            fenced,
            clock_jumps,
            strays,
            cleanings,
            retentions,
            rebalances,
            restarts,
            expiries,
            slow_answers,
            thrown_out,
            early_commands,
            strays_with_headers,
            odd_in_many_ways,
            losses: [expired, set_back, set_ahead],
            gone_on_cleanly,
            positions_lost,
            capped,
            limited: [slow_resumes, slow_expiries],
            redirected,
            purges: [purges, purges_cut],
            samples: [samples, samples_cut],
            named: [named, named_cut],
            every: [pauses, resumes],
            divided,
            by_default,
            deletions: [deletions, topics],
            accepted,
            forgotten,
            changed_meanwhile,
            warnings: [days, hours],
        } = self;
        let others = [
            ("zombie", zombie_steps),
            ("fenced by an equal", fenced),
            ("clock jump", clock_jumps),
            // One that still ends something is next to impossible: a gate keeps no producer that has one under way.
            ("a late end of a transaction that met its successor", &strays.refused_ends),
            ("a late deletion", &strays.deletions),
            ("a start where none was left", restarts),
            ("a pause left to its timer", expiries),
            ("a slow answer to a poll", slow_answers),
            ("a member thrown out for not polling", thrown_out),
            ("a command before the first start", early_commands),
            ("an event with headers at the wrong partition", strays_with_headers),
            ("an event that is odd in many ways", odd_in_many_ways),
            ("offsets that expired", expired),
            ("an offset set back", set_back),
            ("an offset set ahead", set_ahead),
            ("going on from a clean stop without offsets", gone_on_cleanly),
            ("a stop for lost positions", positions_lost),
            ("a deadline brought down by a lowered max_pause", capped),
            ("a resume with a rate", slow_resumes),
            ("an expiry with a rate", slow_expiries),
            ("a drain redirected under way", redirected),
            ("a purge", purges),
            ("a purge that another order or the timer came into", purges_cut),
            ("a sample", samples),
            ("a sample that ended with its pause", samples_cut),
            ("a sample of named records", named),
            ("a sample of named records that something came into", named_cut),
            ("a pause of every flow", pauses),
            ("a resume of every flow", resumes),
            ("a command for every flow that no turn had room for", divided),
            ("a flow paused as it was first seen", by_default),
            ("held events deleted by somebody", deletions),
            ("a queue topic deleted by somebody", topics),
            ("a loss accepted", accepted),
            ("a flow forgotten", forgotten),
            ("a command rejected for where its flow stood", changed_meanwhile),
            ("a warning of a day before a deadline", days),
            ("a warning of an hour before a deadline", hours),
            ("cleaning", cleanings),
            ("retention", retentions),
            ("rebalance", rebalances),
        ];
        others.into_iter().filter(|(_, count)| **count == 0).map(|(name, _)| name).collect()
    }
}

fn sums<const N: usize>(to: [u64; N], of: [u64; N]) -> [u64; N] {
    std::array::from_fn(|at| to[at] + of[at])
}
