//! Values of every shape that the rules can produce.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use flowgate::flow::partition::UnknownAnswered;
use flowgate::flow::*;
use flowgate::schema::Text;
use flowgate::schema::headers::Source;
use flowgate::schema::redriven::{Edit, Redriven};
use flowgate::time::Timestamp;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

pub fn flow() -> impl Strategy<Value = Flow> {
    let totals = (counts(), counts(), 0..9_u64);
    (flow_id(), (state(), of(sample())), totals, queue(), vec(answered(), 0..4), time()).prop_map(
        |(id, (state, sample), (counts, at_pause, withdrawn), queue, commands, updated_at)| Flow {
            id,
            sample: sample.filter(|_| matches!(state, State::Paused(_))),
            state,
            counts,
            at_pause,
            withdrawn,
            queue,
            commands: commands.into(),
            updated_at,
        },
    )
}

pub fn partition() -> impl Strategy<Value = Partition> {
    let unknown = (prop_oneof![Just("*".to_owned()), flow_id().prop_map(|id| id.to_string())], answered())
        .prop_map(|(flow, answered)| UnknownAnswered { flow, answered });
    let default = of((pause(), offset()).prop_map(|(pause, command)| DefaultPause { pause, command }));
    let every = (offset(), time(), flow_id(), any::<u64>(), any::<u64>(), any::<bool>()).prop_map(
        |(command, began_at, through, changed, left_alone, ended_default)| EveryUnderWay {
            command,
            began_at,
            through,
            changed,
            left_alone,
            ended_default,
        },
    );
    let counts = (1..=i32::MAX, 1..=i32::MAX, of("[a-z0-9.-]{1,20}"));
    (counts, offset(), offset(), time(), any::<bool>(), vec(unknown, 0..4), (default, of(every))).prop_map(
        |((enrollments, records, forwarded), control, input, input_at, clean, unknown, (default, every))| Partition {
            enrollments,
            records,
            forwarded,
            control,
            input,
            input_at,
            clean,
            unknown: unknown.into(),
            default,
            every,
        },
    )
}

pub fn audit_event() -> impl Strategy<Value = AuditEvent> {
    let position = (offset(), offset(), any::<u64>(), any::<u64>())
        .prop_map(|(input, control, entry, watermark)| Position { input, control, entry, watermark });
    let transition = prop_oneof![
        Just(Transition::Seen),
        Just(Transition::Paused),
        Just(Transition::Updated),
        cause().prop_map(Transition::Resumed),
        Just(Transition::Redirected),
        Just(Transition::Repaused),
        Just(Transition::WentLive),
        Just(Transition::Purging),
        done().prop_map(Transition::Purged),
        Just(Transition::Sampling),
        done().prop_map(Transition::Sampled),
        (done(), any::<u64>()).prop_map(|(done, first_entry)| Transition::LossAccepted(Loss { done, first_entry })),
        warning().prop_map(Transition::Expiring),
        Just(Transition::Forgotten),
    ];
    let happening = prop_oneof![
        (transition, of(".{0,9}"), of(offset())).prop_map(|(transition, pause, command)| Happening::Transition {
            transition,
            pause,
            command
        }),
        (command(), offset(), outcome(), any::<bool>()).prop_map(|(command, offset, outcome, repeated)| {
            Happening::Answer { command, offset, outcome, repeated }
        }),
    ];
    (of(flow_id()), 0..=i32::MAX, time(), position, happening)
        .prop_map(|(flow, partition, at, position, happening)| AuditEvent { flow, partition, at, position, happening })
}

pub fn redriven() -> impl Strategy<Value = Redriven> {
    let place = || {
        ("[a-z.]{1,20}", 0..=i32::MAX, offset()).prop_map(|(topic, partition, offset)| Source {
            topic: topic.into(),
            partition,
            offset,
        })
    };
    let text = || vec(any::<u8>(), 0..20).prop_map(|bytes| Text::of(&bytes));
    let edit = (of(text()), text()).prop_map(|(before, after)| Edit { before, after });
    (flow_id(), 0..=i32::MAX, time(), place(), place(), ".{1,30}", of(".{0,30}"), of(edit)).prop_map(
        |(flow, partition, at, source, to, by, reason, edit)| Redriven {
            flow,
            partition,
            at,
            source,
            to,
            by,
            reason,
            edit,
        },
    )
}

pub fn command() -> impl Strategy<Value = Command> {
    let target = prop_oneof![flow_id().prop_map(Target::Flow), Just(Target::Every)];
    let next_entry = 1..=u64::MAX;
    let expect = (of(of(".{0,9}")), of(next_entry)).prop_map(|(pause, next_entry)| Expect { pause, next_entry });
    (command_id(), target, action(), ".{1,30}", of(time()), of(".{0,30}"), expect).prop_map(
        |(id, target, action, issued_by, issued_at, reason, expect)| Command {
            id,
            target,
            action,
            issued_by,
            issued_at,
            reason,
            expect,
        },
    )
}

fn action() -> impl Strategy<Value = Action> {
    let end = prop_oneof![
        time().prop_map(PauseEnd::Until),
        (1..=u64::from(u32::MAX)).prop_map(|seconds| PauseEnd::For(Duration::from_secs(seconds))),
    ];
    let pause = (of(new_records()), of(end), of(keep()), of(on_expiry()), of(rate())).prop_map(
        |(new_records, end, keep, on_expiry, expiry_rate)| {
            Action::Pause(PauseOrder { new_records, end, keep, on_expiry, expiry_rate })
        },
    );
    let age = (1..=u64::from(u32::MAX)).prop_map(Duration::from_secs);
    let resume = (of(release()), of(rate()), of(age))
        .prop_map(|(release, max_rate, max_age)| Action::Resume(ResumeOrder { release, max_rate, max_age }));
    let invalid = (".{0,40}", ".{0,60}").prop_map(|(word, why)| Action::Invalid { word, why });
    let count = (1..=ReleaseOrder::MOST).prop_map(|count| ReleaseOrder::Count(NonZeroU32::new(count).unwrap()));
    let ids = vec(".{1,20}".prop_map(|id| RecordId::new(&id).unwrap()), 1..4).prop_map(ReleaseOrder::Records);
    let sample = prop_oneof![count, ids].prop_map(Action::Release);
    let through = of(1..=u64::MAX).prop_map(|through| through.and_then(NonZeroU64::new));
    let purge = through.prop_map(|through_entry| Action::Purge(PurgeOrder { through_entry }));
    let loss = (1..=u32::MAX).prop_map(|at_most| AcceptLossOrder { at_most: NonZeroU32::new(at_most).unwrap() });
    let loss = loss.prop_map(Action::AcceptLoss);
    prop_oneof![3 => pause, 3 => resume, 2 => sample, 1 => purge, 1 => loss, 1 => Just(Action::Forget), 2 => invalid]
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::Live),
        pause().prop_map(State::Paused),
        (pause(), drain()).prop_map(|(pause, drain)| State::Resuming { pause, drain }),
    ]
}

fn pause() -> impl Strategy<Value = Pause> {
    let options = (new_records(), keep(), on_expiry(), of(rate()), of(warning()));
    (("[^ ]{1,9}", any::<bool>(), ".{0,9}", of(".{0,9}")), time(), 0..2_000_000_000_u64, options).prop_map(
        |((id, by_all, by, reason), paused_at, length, (new_records, keep, on_expiry, expiry_rate, warned))| Pause {
            id,
            by_all,
            paused_at,
            resumes_at: paused_at.after(Duration::from_millis(length)),
            new_records,
            keep,
            on_expiry,
            expiry_rate,
            by,
            reason,
            warned,
        },
    )
}

fn drain() -> impl Strategy<Value = Drain> {
    let age = any::<u32>().prop_map(|seconds| Duration::from_secs(seconds.into()));
    (of(command_id()), cause(), release(), of(rate()), of(age), time(), of(any::<u64>())).prop_map(
        |(command, cause, release, max_rate, max_age, as_of, through_entry)| Drain {
            command,
            cause,
            release,
            max_rate,
            max_age,
            as_of,
            through_entry,
        },
    )
}

fn queue() -> impl Strategy<Value = Queue> {
    let line = (any::<u64>(), any::<bool>(), of(command_id())).prop_map(|(entry, none, command)| Line {
        entry,
        reason: if none { LineReason::ReleaseNone } else { LineReason::Expired },
        command,
    });
    let some = || (0..1_000_u64, 0..1_000_u64, 0..1_000_u64);
    let purge = of((command_id(), per_kind()));
    (1..=u32::MAX, of("[a-z]{1,9}"), some(), some(), offset(), (of(line), purge, vec(any::<bool>(), 0..4))).prop_map(
        |(number, topic, passed, held, offset, (discard_through, purge, kinds))| {
            let watermark =
                Watermark { entry: passed.0 + passed.1 + passed.2, enrolls: passed.0, advances: passed.1, offset };
            let mut taken = Taken::default();
            for (nth, is_enroll) in (1..=held.2).zip(kinds) {
                taken.add(watermark.entry + nth, if is_enroll { Kind::Enroll } else { Kind::Advance });
            }
            Queue {
                taken,
                number,
                topic,
                next_entry: watermark.entry + held.0 + held.1 + held.2 + 1,
                enrolls: passed.0 + held.0,
                advances: passed.1 + held.1,
                watermark,
                discard_through,
                purge_through: purge.map(|(command, removed)| Purge {
                    entry: watermark.entry + held.0 + held.1 + held.2,
                    command,
                    removed,
                }),
            }
        },
    )
}

fn counts() -> impl Strategy<Value = Counts> {
    let each = per_kind;
    (each(), each(), each(), each(), each(), each()).prop_map(
        |(held, released, replaced, removed, lost, turned_away)| {
            let sum = |of: fn(PerKind) -> u64| [held, released, replaced, removed, lost].into_iter().map(of).sum();
            let queued = PerKind { enroll: sum(|count| count.enroll), advance: sum(|count| count.advance) };
            Counts { queued, released, replaced, removed, lost, turned_away }
        },
    )
}

fn per_kind() -> impl Strategy<Value = PerKind> {
    (0..1_000_u64, 0..1_000_u64).prop_map(|(enroll, advance)| PerKind { enroll, advance })
}

fn done() -> impl Strategy<Value = Done> {
    (command_id(), per_kind()).prop_map(|(command, count)| Done { command, count })
}

fn sample() -> impl Strategy<Value = Sample> {
    let ids = || vec(".{1,20}".prop_map(|id| RecordId::new(&id).unwrap()), 1..4);
    let wanted = prop_oneof![
        any::<u64>().prop_map(|left| Wanted::Count { left }),
        (ids(), any::<u64>()).prop_map(|(ids, through_entry)| Wanted::Records { ids, through_entry }),
    ];
    (command_id(), wanted, per_kind()).prop_map(|(command, wanted, released)| Sample { command, wanted, released })
}

fn warning() -> impl Strategy<Value = Warning> {
    prop_oneof![Just(Warning::Day), Just(Warning::Hour)]
}

fn answered() -> impl Strategy<Value = Answered> {
    (command_id(), offset(), outcome()).prop_map(|(id, offset, outcome)| Answered { id, offset, outcome })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    ((0..Verdict::ALL.len()), ".{0,30}").prop_map(|(index, detail)| Outcome { verdict: Verdict::ALL[index], detail })
}

fn flow_id() -> impl Strategy<Value = FlowId> {
    ".{1,25}".prop_filter_map("`*`", |text| FlowId::new(&text).ok())
}

fn command_id() -> impl Strategy<Value = CommandId> {
    ".{1,20}".prop_map(|text| CommandId::new(&text).unwrap())
}

/// From 1900 to 2100.
fn time() -> impl Strategy<Value = Timestamp> {
    (-2_208_988_800_000..4_102_444_800_000_i64).prop_map(Timestamp)
}

fn offset() -> impl Strategy<Value = i64> {
    0..=i64::MAX
}

fn rate() -> impl Strategy<Value = Rate> {
    (1..=u64::from(u32::MAX) * 1_000).prop_map(|thousandths| Rate::of_thousandths(thousandths).unwrap())
}

fn new_records() -> impl Strategy<Value = NewRecords> {
    prop_oneof![Just(NewRecords::Queue), Just(NewRecords::Discard)]
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![Just(Keep::Latest), Just(Keep::All)]
}

fn on_expiry() -> impl Strategy<Value = OnExpiry> {
    prop_oneof![Just(OnExpiry::Resume), Just(OnExpiry::Discard)]
}

fn release() -> impl Strategy<Value = Release> {
    prop_oneof![Just(Release::All), Just(Release::None)]
}

fn cause() -> impl Strategy<Value = Cause> {
    prop_oneof![Just(Cause::Resume), Just(Cause::Timer)]
}
