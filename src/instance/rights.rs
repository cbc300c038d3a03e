//! Whether the brokers allow this instance what it needs: asked beside the workers. A right that is taken away while it runs shows
//! at a worker as a turn that fails, in words of librdkafka's that name no right.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::board::Board;
use super::stop::{StopSign, sleep};
use crate::broker::{Broker, Result};
use crate::topics::acls::{Acl, missing, sentence};
use crate::worker::Stop;

/// How often: ten requests each time.
const EVERY: Duration = Duration::from_secs(10);

/// How often while something is missing, so that whoever gives it sees it taken.
const AGAIN: Duration = Duration::from_secs(3);

/// Looks on a thread of its own until the instance stops.
///
/// # Errors
/// [`Stop::Other`]: no thread can be started.
pub fn watch_rights<B>(
    broker: &B,
    wanted: Vec<Acl>,
    board: &Arc<Board>,
    stop: &StopSign,
) -> std::result::Result<(), Stop>
where
    B: Broker + Send + 'static,
{
    let (broker, board, stop) = (broker.clone(), Arc::clone(board), stop.clone());
    let look = move || {
        let mut admin = None;
        while !stop.is_up() {
            look(&broker, &mut admin, &wanted, &board);
            sleep(if board.lacks_rights() { AGAIN } else { EVERY }, &stop);
        }
    };
    let thread = thread::Builder::new().name("rights".to_owned()).spawn(look);
    thread.map(drop).map_err(|error| Stop::Other(format!("no thread can be started: {error}")))
}

fn look<B: Broker>(broker: &B, admin: &mut Option<B::Admin>, wanted: &[Acl], board: &Board) {
    match ask(broker, admin, wanted) {
        Ok(lacking) => {
            let (was, is) = (board.lacks_rights(), (!lacking.is_empty()).then(|| sentence(&lacking)));
            match (&is, was) {
                (Some(lacking), _) => tracing::warn!("{lacking}"),
                (None, true) => tracing::info!("every right that was missing is given"),
                (None, false) => {}
            }
            board.lack_rights(is);
        }
        // Nothing is known then. What a worker meets as well is told there.
        Err(error) => {
            tracing::debug!(%error, "the brokers cannot be asked for rights");
            *admin = None;
        }
    }
}

fn ask<B: Broker>(broker: &B, admin: &mut Option<B::Admin>, wanted: &[Acl]) -> Result<Vec<Acl>> {
    let admin: &mut B::Admin = match admin {
        Some(admin) => admin,
        None => admin.insert(broker.admin()?),
    };
    missing(admin, wanted)
}
