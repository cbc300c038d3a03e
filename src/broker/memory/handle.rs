//! The broker's handle: everything behind one lock, and what every call asks first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fault::{Call, Fault, Faults, Operation};
use super::state::State;
use super::topic::invalid;
use crate::broker::{Action, Code, Error, Result};

/// A broker in memory. Clones are handles of the same broker.
#[derive(Clone)]
pub struct Memory {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub state: Mutex<State>,
    pub faults: Mutex<Faults>,
    /// Whether there may be a fault: asked at every record, so it must not take a lock.
    pub faulty: AtomicBool,
}

impl Memory {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere left at most one call half done; tests that panic on purpose still read the rest.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fault(&self, operation: Operation, subject: &str) -> Option<Fault> {
        if !self.shared.faulty.load(Ordering::SeqCst) {
            return None;
        }
        let mut faults = self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = faults.consult(&Call { operation, subject });
        self.shared.faulty.store(!faults.is_empty(), Ordering::SeqCst);
        drop(faults);
        if let Some(Fault::Late(time)) = fault {
            let mut state = self.lock();
            let then = state.now.after(time);
            state.advance_to(then);
            return None;
        }
        fault
    }

    /// For calls that may also happen without an answer: `true` if this one does.
    pub(super) fn check_answer(&self, operation: Operation, subject: &str) -> Result<bool> {
        match self.fault(operation, subject) {
            Some(Fault::Unanswered) => Ok(true),
            fault => meet(operation, fault).map(|()| false),
        }
    }

    /// For calls that can only fail as a whole.
    pub(super) fn check(&self, operation: Operation, subject: &str) -> Result<()> {
        meet(operation, self.fault(operation, subject))
    }
}

/// What a call ends with that happened, but whose answer nobody got.
pub(super) fn no_answer_if(unanswered: bool) -> Result<()> {
    match unanswered {
        true => Err(Error::new(Action::Retry, Code::TimedOut, "no answer came in time")),
        false => Ok(()),
    }
}

/// What a fault does to a call that can only fail as a whole.
pub(super) fn meet(operation: Operation, fault: Option<Fault>) -> Result<()> {
    match fault {
        Some(Fault::Fail(error)) => Err(error),
        Some(fault) => Err(invalid(format!("{fault:?} does not apply to {operation:?}"))),
        None => Ok(()),
    }
}
