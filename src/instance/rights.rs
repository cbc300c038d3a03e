//! Whether the brokers allow this instance what it needs: asked beside the workers. A right that is taken away while it runs shows
//! at a worker as a turn that fails, in words of librdkafka's that name no right.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::board::Board;
use super::spawn::spawn;
use super::stop::{StopSign, sleep};
use crate::broker::{Broker, Result};
use crate::topics::acls::{Acl, missing, sentence, vital};
use crate::worker::Stop;

/// How often: a request for each topic of ours.
const EVERY: Duration = Duration::from_secs(10);

/// How often while something is missing, so that whoever gives it sees it taken.
const AGAIN: Duration = Duration::from_secs(3);

/// What stays missing is told again after this long.
const TOLD: Duration = Duration::from_secs(60);

/// Looks on a thread of its own until the instance stops. `queue`: a queue topic, if there is one.
///
/// # Errors
/// [`Stop::Other`]: no thread can be started.
pub fn watch_rights<B>(
    broker: &B,
    wanted: Vec<Acl>,
    queue: Option<String>,
    board: &Arc<Board>,
    stop: &StopSign,
) -> std::result::Result<(), Stop>
where
    B: Broker + Send + 'static,
{
    let (broker, board, stop) = (broker.clone(), Arc::clone(board), stop.clone());
    spawn("rights", move || {
        let mut watch = Watch { broker, admin: None, wanted, queue, told: None };
        while !stop.is_up() {
            watch.look(&board, Instant::now());
            sleep(if watch.told.is_some() { AGAIN } else { EVERY }, &stop);
        }
    })
}

struct Watch<B: Broker> {
    broker: B,
    admin: Option<B::Admin>,
    wanted: Vec<Acl>,
    queue: Option<String>,
    /// What is missing, and when that was told.
    told: Option<(String, Instant)>,
}

impl<B: Broker> Watch<B> {
    fn look(&mut self, board: &Board, now: Instant) {
        let lacking = match self.ask() {
            Ok(lacking) => lacking,
            // Nothing is known then. What a worker meets as well is told there.
            Err(error) => {
                tracing::debug!(%error, "the brokers cannot be asked for rights");
                self.admin = None;
                return;
            }
        };
        let stand_still = vital(&lacking);
        board.lack_rights((!stand_still.is_empty()).then(|| sentence(&stand_still)));
        if lacking.is_empty() {
            if self.told.take().is_some() {
                tracing::info!("every right that was missing is given");
            }
            return;
        }
        let lacking = sentence(&lacking);
        if self.told.as_ref().is_none_or(|(told, at)| *told != lacking || now - *at >= TOLD) {
            tracing::warn!("{lacking}");
            self.told = Some((lacking, now));
        }
    }

    fn ask(&mut self) -> Result<Vec<Acl>> {
        let admin = match &mut self.admin {
            Some(admin) => admin,
            none => none.insert(self.broker.admin()?),
        };
        missing(admin, &self.wanted, self.queue.as_deref())
    }
}
