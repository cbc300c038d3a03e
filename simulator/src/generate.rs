//! From a seed to a schedule. Each seed leaves some kinds of things out and does others often (swarm testing: a schedule
//! in which everything happens a little finds less than many in which a few things happen a lot).

mod commands;
mod events;

use clap::ValueEnum as _;
use serde_json::json;

use crate::dice::Dice;
use crate::plan::{Armed, FLOWS, Kind, Lag, Loss, MACHINES, Op, PARTITIONS, Plan, Shape};

/// The phases of a worker before which it can be stopped.
pub const PHASES: [&str; 18] = [
    "start",
    "prove",
    "replace",
    "enter",
    "chores",
    "delete records",
    "delete topics",
    "gather",
    "create",
    "leaders",
    "send",
    "slice",
    "acks",
    "offsets",
    "commit",
    "abort",
    "read back",
    "leave",
];

const HOUR: i64 = 60 * 60 * 1000;
const DAY: u64 = 24 * 60 * 60 * 1000;

struct Generator {
    dice: Dice,
    /// How likely each kind of operation is in this seed.
    weights: Vec<(u32, What)>,
    faults: Vec<Kind>,
    flows: Vec<&'static str>,
    odd_events: bool,
    /// Commands for every flow: not where something is too large to be released, nor where the longest pause is lowered on the way.
    /// The checker does not know how a default and its flows come under the new limit.
    every: bool,
    number: u32,
    commands: Vec<Op>,
    last_id: u32,
}

#[derive(Clone, Copy)]
enum What {
    Send,
    Burst,
    Command,
    Noise,
    Step,
    StepTo,
    Start,
    Crash,
    CrashAt,
    Stop,
    Freeze,
    FreezeAt,
    Thaw,
    Zombie,
    Wait,
    WaitSession,
    WaitDays,
    Clock,
    Clean,
    Retain,
    Markers,
    Strays,
    StraysAt,
    Arm,
    Redirect,
    Aside,
    MaxPause,
    Lose,
    Delete,
    Outage,
}

/// The schedule of a seed.
#[must_use]
pub fn plan(seed: u64) -> Plan {
    let mut dice = Dice::new(seed);
    let mut shape = Shape {
        turn_records: dice.of(&[1, 3, 9, 40, 1_000]),
        turn_bytes: dice.of(&[300, 4_000, 1_000_000]),
        turn_backlog: dice.of(&[1, 2, 5, 30, 1_000]),
        turn_topics: dice.of(&[1, 2, 50]),
        turn_slice: dice.of(&[1, 2, 5, 1_000]),
        index_bytes: dice.of(&[1, 400, 1_500, 1_000_000]),
        queue_ttl: dice.of(&[3, 40, 400_000]),
        max_pause: dice.of(&[8, 60, 14 * 24 * 60 * 60]),
        records_bytes: dice.of(&[None, None, Some(2_000)]),
        patient: dice.one_in(2),
        lag: Lag { empty_polls: 0, records: 0 },
        places: dice.one_in(2),
        hangs: dice.one_in(2),
    };
    if dice.one_in(2) {
        shape.lag = Lag { empty_polls: dice.of(&[1, 3, 20]), records: dice.of(&[1, 2, 9, 300]) };
    }
    let mut weights = vec![(30, What::Send), (7, What::Command), (40, What::Step), (10, What::Wait)];
    let swarm = [
        What::Noise,
        What::StepTo,
        What::Start,
        What::Crash,
        What::CrashAt,
        What::Stop,
        What::Freeze,
        What::FreezeAt,
        What::Zombie,
        What::WaitSession,
        What::WaitDays,
        What::Clock,
        What::Clean,
        What::Retain,
        What::Markers,
        What::Strays,
        What::StraysAt,
        What::Arm,
        What::Redirect,
        What::Aside,
        What::MaxPause,
        What::Delete,
        What::Outage,
    ];
    for what in swarm {
        weights.push((dice.of(&[0, 0, 1, 2, 5]), what));
    }
    // It takes the whole fleet down and up again.
    weights.push((u32::from(dice.one_in(3)), What::Lose));
    // Numbers that only show after a thousand entries. Rare, for it takes time.
    let big = dice.one_in(25);
    weights.push((2 * u32::from(big), What::Burst));
    if big {
        // An index with room for a few records reads a thousand entries a thousand times.
        shape.index_bytes = shape.index_bytes.max(20_000);
        shape.turn_records = shape.turn_records.max(9);
    }
    // Whoever is down or hangs comes back.
    weights.push((4, What::Start));
    weights.push((3, What::Thaw));
    let faults = Kind::value_variants().iter().copied().filter(|_| dice.one_in(2)).collect();
    let count = if big { 1 } else { dice.of(&[1, 2, 4, 6]) };
    let flows = FLOWS.into_iter().take(count).collect();
    let odd_events = dice.one_in(2);
    let length = 60 + dice.below(360);
    let (number, commands, last_id) = Default::default();
    let lowers = weights.iter().any(|(weight, what)| *weight > 0 && matches!(what, What::MaxPause));
    let every = shape.records_bytes.is_none() && !lowers;
    let mut generator = Generator { dice, weights, faults, flows, odd_events, every, number, commands, last_id };
    let mut ops = Vec::new();
    if generator.dice.one_in(3) {
        // Upstreams and operators are there before the first gate is.
        for _ in 0..1 + generator.dice.below(8) {
            let op = match generator.dice.one_in(2) {
                true => generator.command(),
                false => Op::Send(generator.event()),
            };
            ops.push(op);
        }
    }
    ops.extend([Op::Start { machine: 0 }, Op::Step { machine: 0, steps: 80 }]);
    while (ops.len() as u64) < length {
        generator.add_to(&mut ops);
    }
    Plan { seed, shape, ops }
}

impl Generator {
    fn add_to(&mut self, ops: &mut Vec<Op>) {
        let machine = self.dice.weighted(&[(6, 0), (3, 1), (1, 2)]);
        debug_assert!(machine < MACHINES);
        let weights = self.weights.clone();
        let op = match self.dice.weighted(&weights) {
            What::Send => {
                for _ in 0..self.dice.below(6) {
                    ops.push(Op::Send(self.event()));
                }
                Op::Send(self.event())
            }
            What::Burst => {
                let flow = self.dice.of(&self.flows.clone());
                let kind = self.dice.of(&["enroll", "advance"]);
                self.number += 1;
                Op::Burst { flow, kind, first: self.number, count: 400 }
            }
            What::Command => self.command(),
            What::Noise => Op::Noise(self.dice.of(&[
                "",
                "no json",
                "{}",
                r#"{"command_id":"n","flow_id":"*","action":"purge","issued_by":"x"}"#,
                r#"{"command_id":"n","flow_id":"b","action":"dance","issued_by":"x"}"#,
                r#"{"command_id":"","flow_id":"b","action":"pause","issued_by":"x"}"#,
            ])),
            What::Step => Op::Step { machine, steps: 1 + self.dice.below(60) },
            What::StepTo => Op::StepTo { machine, phase: self.dice.of(&PHASES) },
            What::Start => Op::Start { machine },
            What::Crash => Op::Crash { machine },
            What::CrashAt => {
                self.bring_to_a_phase(machine, ops);
                ops.push(Op::Crash { machine });
                Op::Start { machine: self.dice.of(&[machine, 0, 1]) }
            }
            What::Stop => Op::Stop { machine },
            What::Freeze => Op::Freeze { machine },
            What::FreezeAt => {
                self.bring_to_a_phase(machine, ops);
                ops.push(Op::Freeze { machine });
                ops.push(Op::Wait(11_000));
                ops.push(Op::Start { machine: self.dice.of(&[machine, 0, 1, 2]) });
                Op::Step { machine: self.dice.of(&[0, 1, 2]), steps: 150 }
            }
            What::Thaw => Op::Thaw { machine },
            What::Zombie => Op::Zombie { machine, steps: 1 + self.dice.below(30) },
            What::Wait => Op::Wait(self.dice.of(&[1, 10, 100, 500, 3_000])),
            What::WaitSession => Op::Wait(11_000),
            What::WaitDays => Op::Wait(self.dice.of(&[60_000, 301_000, DAY, 15 * DAY])),
            What::Clock => {
                let ahead = self.dice.of(&[0, 0, 30_000, -30_000, 61_000, HOUR, -HOUR, 15 * DAY.cast_signed()]);
                Op::Clock { machine, ahead }
            }
            What::Clean => {
                Op::Clean { quarters: 1 + self.dice.below(4).cast_signed(), tombstones: self.dice.one_in(2) }
            }
            What::Retain => Op::Retain,
            What::Markers => Op::Markers,
            What::Strays => Op::Strays,
            What::StraysAt => {
                // The end of a transaction arrives once more, and finds the next one open.
                ops.push(Op::Arm(Armed {
                    kind: self.dice.of(&[Kind::CommitSlowAnswer, Kind::AbortReplaced]),
                    after: 0,
                }));
                ops.push(Op::Send(self.event()));
                ops.push(Op::Step { machine, steps: 30 });
                ops.push(Op::Send(self.event()));
                ops.push(Op::StepTo { machine, phase: self.dice.of(&["send", "slice", "acks", "offsets", "commit"]) });
                Op::Strays
            }
            What::Arm if !self.faults.is_empty() => {
                let kind = self.dice.of(&self.faults.clone());
                Op::Arm(Armed { kind, after: self.dice.weighted(&[(4, 0), (2, 1), (1, 5), (1, 20)]) })
            }
            What::Arm => Op::Wait(1),
            What::Redirect => self.redirect(machine, ops),
            What::Aside => self.aside(machine, ops),
            What::MaxPause => {
                ops.push(Op::MaxPause(self.dice.of(&[4, 8, 60, 3_600, 14 * 24 * 60 * 60])));
                if self.dice.one_in(2) {
                    ops.push(Op::Crash { machine });
                }
                Op::Start { machine }
            }
            What::Lose => self.lose(ops),
            What::Delete => self.delete(machine, ops),
            What::Outage => self.outage(machine, ops),
        };
        ops.push(op);
    }

    /// A short pause; all gates go down, and commands are recorded before its deadline and after it; a gate comes.
    fn outage(&mut self, machine: usize, ops: &mut Vec<Op>) -> Op {
        let flow = self.dice.of(&self.flows.clone());
        let on_expiry = self.dice.of(&["discard", "resume"]);
        ops.push(self.order(flow, "pause", json!({"for_seconds": 5, "on_expiry": on_expiry})));
        ops.push(Op::Step { machine, steps: 60 });
        ops.push(Op::Send(self.event()));
        ops.push(Op::Step { machine, steps: 60 });
        ops.extend((0..MACHINES).map(|machine| Op::Crash { machine }));
        ops.push(Op::Wait(self.dice.of(&[3_000, 3_000, 6_000])));
        for _ in 0..self.dice.below(3) {
            ops.push(self.command());
        }
        let action = self.dice.of(&["resume", "resume", "pause"]);
        ops.push(self.order(flow, action, json!({})));
        ops.push(Op::Wait(30_000));
        ops.push(Op::Start { machine });
        Op::Step { machine, steps: 100 }
    }

    /// Somebody deletes held events of a flow that is paused, which is then resumed, purged or sampled; an operator accepts it.
    fn delete(&mut self, machine: usize, ops: &mut Vec<Op>) -> Op {
        let flow = self.dice.of(&self.flows.clone());
        ops.push(self.order(flow, "pause", json!({"for_seconds": 90_000})));
        for _ in 0..2 + self.dice.below(8) {
            ops.push(Op::Send(self.event()));
        }
        ops.push(Op::Step { machine, steps: 60 });
        let quarters = (!self.dice.one_in(5)).then(|| 1 + self.dice.below(4).cast_signed());
        ops.push(Op::Delete { flow, quarters });
        ops.push(match self.dice.below(4) {
            0 => self.order(flow, "purge", json!({})),
            1 => self.order(flow, "release", json!({"count": 2})),
            _ => self.order(flow, "resume", json!({})),
        });
        ops.push(Op::Step { machine, steps: 20 + self.dice.below(60) });
        if self.dice.one_in(3) {
            ops.push(Op::Crash { machine });
            ops.push(Op::Start { machine: self.dice.of(&[machine, 0, 1]) });
            ops.push(Op::Step { machine, steps: 100 });
        }
        let at_most = self.dice.of(&[1, 3, 1_000, 1_000]);
        self.order(flow, "accept_loss", json!({"at_most": at_most}))
    }

    /// Everybody goes, cleanly or not; the offsets do not stay as they were; somebody comes again.
    fn lose(&mut self, ops: &mut Vec<Op>) -> Op {
        let clean = self.dice.one_in(2);
        for machine in 0..MACHINES {
            ops.push(Op::Thaw { machine });
            if clean {
                ops.push(Op::Stop { machine });
                ops.push(Op::Step { machine, steps: 300 });
            }
            ops.push(Op::Crash { machine });
            ops.push(Op::Zombie { machine, steps: 300 });
        }
        ops.extend([Op::Markers, Op::Strays, Op::Wait(11_000), Op::Markers]);
        let partition = self.dice.below(PARTITIONS as u64) as i32;
        ops.push(Op::Lose(match self.dice.below(5) {
            0 | 1 => Loss::Expired,
            2 => Loss::SetAhead { partition },
            _ => Loss::SetBack { partition, by: 1 + self.dice.below(3).cast_signed() },
        }));
        let machine = self.dice.of(&[0, 1]);
        ops.push(Op::Start { machine });
        ops.push(Op::Step { machine, steps: 2_500 });
        Op::Start { machine }
    }

    fn bring_to_a_phase(&mut self, machine: usize, ops: &mut Vec<Op>) {
        let phase = self.dice.of(&PHASES);
        if phase == "delete topics" {
            // That is met where a flow has been live for a while after a pause.
            let flow = self.dice.of(&self.flows.clone());
            ops.push(self.order(flow, "resume", json!({})));
            ops.push(Op::Step { machine, steps: 60 });
            ops.push(Op::Wait(3_500));
        }
        if phase == "prove" {
            ops.push(Op::Arm(Armed { kind: Kind::PollFenced, after: 0 }));
        }
        ops.push(Op::StepTo { machine, phase });
    }
}
