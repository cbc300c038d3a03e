//! The newest rules, each broken once: some state of a small space tells.

use std::panic::{AssertUnwindSafe, catch_unwind};

use flowgate::flow::Kind::Enroll;
use flowgate::mutant::{self, Mutant};

use super::explore;
use super::one_flow;
use super::orders::Order::{AcceptLoss, PauseEvery, PauseLatest, ResumeAll, ResumeEvery, SampleOf};
use super::space::Space;
use super::world::World;

/// Whether something of a space tells, with this broken and not without.
fn is_found(mutant: Mutant, space: impl Fn() -> Space) -> bool {
    let breaks = |mutant| {
        let space = space();
        mutant::choose(mutant);
        let broken = catch_unwind(AssertUnwindSafe(|| explore::explore(&space, World::starts(&space)))).is_err();
        mutant::choose(None);
        broken
    };
    breaks(Some(mutant)) && !breaks(None)
}

#[test]
fn a_broken_sample_by_record_is_found() {
    let inputs = || vec![(Enroll, 0), (Enroll, 0), (Enroll, 1)];
    let space = || Space { cleaner: true, ..one_flow(inputs(), &[PauseLatest, SampleOf(0), ResumeAll], 3) };
    for mutant in [Mutant::TakenEntryForgotten, Mutant::TakenCountedAsReplacedInAGap] {
        assert!(is_found(mutant, space), "{mutant:?}");
    }
}

#[test]
fn a_broken_command_for_every_flow_is_found() {
    let space = || one_flow(vec![(Enroll, 0)], &[PauseLatest, PauseEvery, ResumeEvery], 3);
    for mutant in [Mutant::DefaultForgottenForANewFlow, Mutant::EveryEndsAPauseOfAFlowsOwn] {
        assert!(is_found(mutant, space), "{mutant:?}");
    }
}

#[test]
fn a_broken_loss_is_found() {
    let orders = [PauseLatest, ResumeAll, AcceptLoss(1)];
    let space = || Space { deletes: true, ..one_flow(vec![(Enroll, 0), (Enroll, 1)], &orders, 3) };
    assert!(is_found(Mutant::AtMostIgnored, space));
}
