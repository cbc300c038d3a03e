//! Deliberate breakages, to see that the proof finds them.
//!
//! One of them is chosen at run time, for one thread: `tests` and the simulator switch it on, nothing else does. Release
//! builds have no switch: there [`is`] is `false` for the compiler, and what it guards is not in the program.

/// What is broken. The name is what the gate does wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
#[value(rename_all = "verbatim")]
pub enum Mutant {
    /// A new owner takes events before it has seen the commands that waited for it.
    EventsBeforeCommandsThatWaited,
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
    RebuildFedOutOfOrder,
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
    /// A process that hung past its session makes a producer, which fences the one that was started in its place.
    AZombieMakesAProducerWithoutAsking,
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
