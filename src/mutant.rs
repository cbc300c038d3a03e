//! Deliberate breakages, to see that the proof finds them.
//!
//! One of them is chosen at run time, for one thread: `tests` and the simulator switch it on, nothing else does. Release
//! builds have no switch: there [`is`] is `false` for the compiler, and what it guards is not in the program.

/// The enum, and a list of what is in it.
macro_rules! mutants {
    ($($(#[doc = $about:literal])* $name:ident,)*) => {
        /// What is broken. The name is what the gate does wrongly.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $($(#[doc = $about])* $name,)*
        }

        impl Mutant {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// What it means, where the name does not say it all; else empty.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($about),*).trim_ascii(),)*
                }
            }
        }
    };
}

mutants! {
    /// A new owner takes events before it has seen the commands that waited for it.
    EventsBeforeCommandsThatWaited,
    /// An event whose queue topic has to be made first is not taken into the next turn, and its offset is committed.
    CarriedEventDropped,
    /// What is polled while acknowledgements are awaited is dropped.
    PolledAheadForgotten,
    /// A command that comes between two slices of a turn is dropped.
    CommandBetweenSlicesForgotten,
    /// An entry that two drains could have next goes to the other one.
    EntryTakenByAnotherDrain,
    /// A flow that is not recorded, for too many are, is not stopped by a pause before the next turn.
    PauseOfAnUnrecordedFlowForgotten,
    /// A withdraw takes out nothing that is passed in the turn in which it came.
    WithdrawOfTheSameTurnForgotten,
    /// The offsets of a turn are committed by the next one.
    OffsetsOutsideTheTransaction,
    /// Of a turn in several partitions one goes without its offset.
    OffsetOfOnePartitionMissing,
    /// A commit of unknown end is taken for one that holds, before that is known.
    StatePublishedBeforeTheCommitIsKnown,
    /// A commit of unknown end is taken for one that does not hold.
    AbortAfterAnUnknownCommit,
    WatermarkOneTooFar,
    WatermarkOneTooNear,
    DrainLosesEvery1000thEntry,
    DeleteRecordsPastTheWatermark,
    QueueKeyWithoutTheKind,
    /// Live when nothing more can be read, though entries are missing.
    LiveOnEndOfFile,
    /// Live while the last turn's entries are still to be passed.
    LiveOneTurnEarly,
    /// An update of a pause gives it another fourteen days.
    CapResetByAnUpdate,
    /// The newer one of two entries of a record is taken for replaced.
    SupersededByTheOlder,
    /// What is held while an index is rebuilt is fed to it at once, before the older entries that it has not read yet.
    LiveEntryFedToAnIndexThatIsBehind,
    /// An index that is rebuilt is taken for ready before the newest entry was read.
    IndexReadyOneEntryTooEarly,
    /// A drain goes on before the index of its flow is ready.
    DrainWithoutItsIndex,
    /// What a drain passes was read before the index of its flow was made from what the cleaner has left since.
    DrainReadBeforeItsIndex,
    /// Of an index made in slices only the last one's marks are kept.
    MarksOfASliceForgotten,
    WithdrawForgetsTheAdvance,
    /// What comes after `release: none` is discarded too.
    ReleaseNoneWithoutItsEnd,
    RemovedBeforeReplaced,
    BadInputSkipped,
    RepeatedCommandAppliedTwice,
    /// How far commands were applied is not part of the turn that applies them.
    CommandPositionOutsideTheTransaction,
    ControlReaderNotMovedBackAtAJoin,
    ControlReaderNotMovedBackAtAnAbort,
    EmptyDrainNeverEnds,
    QueueKeysCollide,
    /// Any committed offset is taken for the turn's own.
    TurnNameIgnored,
    EntryNumbersStartAnewWithTheNextTopic,
    /// Events of a partition wait while one of its flows drains.
    NeighbourHeldBackByADrain,
    EventsBeforeCommands,
    ReroutedEventDeliveredWhereItCame,
    TimerFiresEarly,
    TimerFiresLate,
    /// A flow that was commanded once has its state written with every event.
    StateWrittenForALiveEvent,
    /// After a commit that was answered late the same producer goes on.
    ProducerKeptAfterALateAnswer,
    /// A turn is sent and committed however long ago it was decided.
    TurnHasNoAge,
    /// A turn that is full of commands, while more of them wait, takes timers and events too.
    EventsWhileMoreCommandsWait,
    /// A partition that no command concerns is noted to have applied one more than was read.
    IdleControlPositionOneTooFar,
    /// However much is held for a flow while it drains, a turn passes no more entries of it.
    DrainDoesNotOutrunItsFlow,
    /// Who takes a drain over releases a quarter of a second's worth at once.
    BucketFullAtATakeOver,
    /// A drain that a timer began goes as fast as it can, though its state names a rate.
    ExpiryRateIgnored,
    /// The deadline of a pause is looked at before the commands that wait.
    TimersBeforeCommands,
    /// How long an event was held is counted from the event's own timestamp.
    HeldSinceTheEventsOwnTime,
    /// Whatever is forwarded or released gets the time of writing, and says what its own was.
    TimestampAlwaysReplaced,
    /// Records are taken for too old at half the age.
    TimestampReplacedTooEarly,
    /// A pause that stops a drain keeps the start values of the one before.
    AtPauseOfTheFirstPauseKept,
    /// A new pause begins to count withdraws again.
    WithdrawnForgottenAtAPause,
    /// A resume while resuming that names no rate takes the one in force away.
    RedirectForgetsTheRate,
    /// An update of a pause that names no rate for its end takes the one in force away.
    UpdateForgetsTheExpiryRate,
    /// Records of a queue topic are never deleted.
    NothingDeletedAfterADrain,
    IdleQueueTopicNeverRetired,
    /// The queue topic that comes after a retired one has its name again.
    QueueTopicNumberNotRaised,
    /// A new owner fires timers before it has seen the commands that waited for it.
    TimersBeforeCommandsThatWaited,
    /// A new owner's first poll of the control topic brings nothing: it takes everything there for read.
    EmptyPollTakenForAllCommandsRead,
    /// Commands that were written before the first gate started are not applied.
    CommandsBeforeTheFirstStartSkipped,
    LoweredMaxPauseIgnoredAtAStart,
    /// An offset that lies before the one in the partition record is gone on from.
    PositionBehindTheRecordAccepted,
    /// No committed offset: the partition record's position is gone on from, whether the stop was clean or not.
    ExpiredPositionsTakenFromTheRecord,
    HeadersLostAtAReroute,
    /// Upstream's headers that are named like the gate's are taken for the gate's, and off.
    ForgedHeadersTakenOffAtAReroute,
    /// A record that is sent again for its size keeps a timestamp that its topic does not.
    TimestampForgottenForALargeRecord,
    /// A member that the group threw out goes on with the partitions it had.
    LostPartitionsKept,
    /// The packed header of an entry has the number of the next one.
    EntryHeaderSaysOneEntryTooMany,
    /// The packed header of an entry counts one enroll more than there was.
    EntryHeaderSaysOneEnrollTooMany,
    /// An event that is held loses its own key: it is released under its flow id.
    FlowIdTakenForTheKeyOfAHeldEvent,
    /// A process that hung past its session makes a producer, which fences the one that was started in its place.
    AZombieMakesAProducerWithoutAsking,
    /// A producer that takes a topic for missing goes on being used.
    ProducerKeptThatMissesATopic,
    /// Whoever takes its place in the group without a producer makes one as soon as the group counts on it.
    NoTrialWithoutAProducer,
    /// Whoever takes its place in the group does not have it look at who has what.
    PlaceTakenWithoutAKnock,
    /// Who is fenced in the group ends, though there is no other process of its name.
    FenceInTheGroupEndsTheProcess,
    /// A purge has no last entry: it removes what comes after it, too.
    PurgeWithoutItsEnd,
    /// A resume or a pause lifts the line of a purge.
    PurgeLiftedWithItsPause,
    /// A sample goes on when it has released all that it was to.
    SampleWithoutItsEnd,
    /// A sample ends with its pause without a word.
    SampleEndedSilently,
    /// A command is applied wherever the flow stands.
    ExpectIgnored,
    /// A warning is given again by whoever takes over, or looks again.
    WarningNotRemembered,
    /// A flow is forgotten with the numbers of its queue.
    FlowWithAQueueForgotten,
    /// The commands of a forgotten flow are forgotten with it.
    CommandsForgottenWithTheFlow,
    /// A purge removes everything that is held, whatever its `through_entry`.
    PurgePastThroughEntry,
    /// A loss is accepted however large it is.
    AtMostIgnored,
    /// An entry that was released by name is released again by the next drain.
    TakenEntryForgotten,
    TakenCountedAsReplacedInAGap,
    /// A sample of named records releases what a newer event or a withdraw has taken the place of.
    ReplacedEntryReleasedByName,
    /// A flow that is first seen while `*` is paused is live.
    DefaultForgottenForANewFlow,
    /// Commands for `*` change and end pauses that flows have of their own.
    EveryEndsAPauseOfAFlowsOwn,
    /// A command for `*` is taken for done where one turn had no room for every flow.
    EveryEndsWithItsFirstPart,
    /// Flows that a command for `*` comes to in a later turn are paused as of that turn.
    EveryPartByItsOwnClock,
}

#[cfg(debug_assertions)]
mod switch {
    use std::cell::Cell;

    use super::Mutant;

    thread_local! {
        static CHOSEN: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Breaks the gate on this thread; `None`: it is whole again.
    pub fn choose(mutant: Option<Mutant>) {
        CHOSEN.set(mutant);
    }

    pub(crate) fn is(mutant: Mutant) -> bool {
        CHOSEN.get() == Some(mutant)
    }
}

#[cfg(debug_assertions)]
pub(crate) use switch::is;

#[cfg(debug_assertions)]
pub use switch::choose;

/// Never.
#[cfg(not(debug_assertions))]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
