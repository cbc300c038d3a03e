//! One process of the gate: a thread a worker, threads that look on, and how all of it stops.
//!
//! - `drive.rs` steps a worker by the instance's clock and meters it;
//! - `board.rs` is what the threads tell and HTTP shows;
//! - `lag.rs`, `follow.rs` and `listen.rs` read what no worker needs: how far behind the input is, the state of every flow, and
//!   what the audit tells;
//! - `rights.rs` asks what the brokers allow;
//! - `feed.rs` is what is new of that;
//! - `desk.rs` is where HTTP hands commands in, and `clerk.rs` stores them;
//! - `reads.rs` reads topics for who asks over HTTP;
//! - `traces.rs` is who makes spans of what workers note of traces.
//!
//! Architecture invariant: nobody who looks on can hold a worker up: what it shows is a copy, made between its steps.

mod board;
mod clerk;
mod desk;
mod drive;
mod feed;
mod follow;
mod lag;
mod listen;
mod lock;
mod reads;
mod rights;
mod spare;
mod spawn;
mod stalled;
mod stop;
mod traces;

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use spawn::spawn;

use crate::broker::Broker;
use crate::schema::topics::Topics;
use crate::worker::{Options, Stop};

pub use board::{Board, Extent, Flows, Reached};
pub use desk::{Stored, Unstored};
pub use drive::Meter;
pub use feed::{Awaited, Feed, News};
pub use reads::Reads;
pub use rights::watch_rights;
pub use spare::give_memory_back_by;
pub use stop::StopSign;
pub use traces::Traces;

/// How long the other workers get to leave in good order when one of them has to stop.
const FAREWELL: Duration = Duration::from_secs(4);

/// Runs the workers until they have left the group after [`StopSign::raise`].
///
/// # Errors
/// The first worker's that had to stop; the others were asked to leave.
pub fn run<B>(
    broker: &B,
    topics: &Topics,
    workers: Vec<Options>,
    board: &Arc<Board>,
    stop: &StopSign,
) -> Result<(), Stop>
where
    B: Broker + Send + 'static,
{
    let (ended, ends) = channel();
    let count = workers.len();
    for options in workers {
        let (broker, board, stop, ended) = (broker.clone(), Arc::clone(board), stop.clone(), ended.clone());
        let name = format!("worker-{}", options.worker);
        spawn(&name.clone(), move || {
            let drive = std::panic::AssertUnwindSafe(|| drive::drive(broker, options, &board, &stop));
            let panicked = |_| Err(Stop::Other(format!("{name} panicked: its last words are in the log")));
            // If nobody listens any more the process is about to end.
            let _ = ended.send(std::panic::catch_unwind(drive).unwrap_or_else(panicked));
        })?;
    }
    drop(ended);
    look_on(broker, topics, board, stop)?;
    let mut outcome = Ok(());
    for _ in 0..count {
        let end = match outcome {
            Ok(()) => ends.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Err(_) => ends.recv_timeout(FAREWELL),
        };
        match end {
            Ok(Ok(())) => {}
            Ok(Err(why)) => {
                stop.raise();
                outcome = outcome.and(Err(why));
            }
            Err(_) => break,
        }
    }
    stop.raise();
    outcome
}

/// Starts the threads that look on, for workers that somebody steps. Nobody waits for these threads: what they are reading at the end is of no
/// interest any more.
///
/// # Errors
/// [`Stop::Other`]: no thread can be started.
pub fn look_on<B>(broker: &B, topics: &Topics, board: &Arc<Board>, stop: &StopSign) -> Result<(), Stop>
where
    B: Broker + Send + 'static,
{
    board.read_with(Box::new(reads::Reading::new(broker.clone(), topics.clone(), board.clock.clone())));
    let start = |name: &str, look: fn(&B, &Topics, &Board, &StopSign)| {
        let (broker, topics, board, stop) = (broker.clone(), topics.clone(), Arc::clone(board), stop.clone());
        spawn(name, move || look(&broker, &topics, &board, &stop))
    };
    start("lag", lag::look::<B>)?;
    start("follow", follow::look::<B>)?;
    start("listen", listen::look::<B>)?;
    start("desk", clerk::look::<B>)
}
