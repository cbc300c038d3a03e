//! Where commands are handed in: HTTP may not wait for brokers, so a thread of its own (`clerk.rs`) stores them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;

use super::lock::lock;
use super::stop::StopSign;
use crate::flow::Command;
use crate::schema::trace_parent::TraceParent;

/// Orders that wait. What comes while all these do is refused.
const WAITING: usize = 64;

/// How often it is looked for a stop.
const LOOK: Duration = Duration::from_millis(100);

/// Commands that are to be stored together, in their order.
struct Order {
    commands: Vec<Command>,
    parent: Option<TraceParent>,
    stored: oneshot::Sender<Result<Stored, Unstored>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Of each command, in the control topic.
    pub offsets: Vec<i64>,
    /// How many partitions answer a command for every flow.
    pub asked: i32,
}

/// Why commands were not stored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unstored {
    #[error("the gate is starting or stopping, or reaches no broker")]
    Closed,
    #[error("too many commands wait to be stored")]
    Full,
    /// Some of them may be stored all the same.
    #[error("{0}")]
    Failed(String),
}

pub struct Desk {
    orders: SyncSender<Order>,
    taken: Mutex<Receiver<Order>>,
    is_open: AtomicBool,
}

impl Default for Desk {
    fn default() -> Self {
        let (orders, taken) = sync_channel(WAITING);
        Self { orders, taken: Mutex::new(taken), is_open: AtomicBool::new(false) }
    }
}

impl Desk {
    /// Hands commands in, which come from there in a trace. Nobody waits here; what comes of it is told where this returns to. If that is dropped before they are
    /// stored, they are not.
    ///
    /// # Errors
    /// [`Unstored::Closed`], [`Unstored::Full`].
    pub fn hand_in(
        &self,
        commands: Vec<Command>,
        parent: Option<TraceParent>,
    ) -> Result<oneshot::Receiver<Result<Stored, Unstored>>, Unstored> {
        if !self.is_open.load(Ordering::Acquire) {
            return Err(Unstored::Closed);
        }
        let (stored, told) = oneshot::channel();
        match self.orders.try_send(Order { commands, parent, stored }) {
            Ok(()) => Ok(told),
            Err(TrySendError::Full(_)) => Err(Unstored::Full),
            Err(TrySendError::Disconnected(_)) => Err(Unstored::Closed),
        }
    }

    /// Takes orders until a stop, and has each of them carried out.
    pub(super) fn serve(
        &self,
        stop: &StopSign,
        mut carry_out: impl FnMut(&[Command], Option<TraceParent>) -> Result<Stored, Unstored>,
    ) {
        let taken = lock(&self.taken);
        self.is_open.store(true, Ordering::Release);
        while !stop.is_up() {
            let order = match taken.recv_timeout(LOOK) {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if !order.stored.is_closed() {
                // Whoever asked may go meanwhile.
                let _ = order.stored.send(carry_out(&order.commands, order.parent));
            }
        }
        self.is_open.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: nobody waits at a desk that is closed or full. Method: nobody takes orders here.
    #[test]
    fn what_does_not_fit_is_refused_at_once() {
        let desk = Desk::default();
        assert_eq!(desk.hand_in(Vec::new(), None).unwrap_err(), Unstored::Closed);
        desk.is_open.store(true, Ordering::Release);
        let waiting: Vec<_> = (0..WAITING).map(|_| desk.hand_in(Vec::new(), None).unwrap()).collect();
        assert_eq!(desk.hand_in(Vec::new(), None).unwrap_err(), Unstored::Full);
        drop(waiting);
        let order = desk.taken.lock().unwrap().recv().unwrap();
        assert!(order.stored.is_closed(), "whoever has gone is seen to have gone");
        assert!(desk.hand_in(Vec::new(), None).is_ok());
    }
}
