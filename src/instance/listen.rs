//! Hears the audit from the start of the process on, for whoever waits for an answer or follows what happens.

use std::time::Duration;

use super::board::Board;
use super::stop::{StopSign, sleep};
use crate::broker::{Broker, Error};
use crate::client::listener::Listener;
use crate::client::scan::Marks;
use crate::schema::topics::Topics;

const AGAIN: Duration = Duration::from_secs(1);

pub(super) fn look<B: Broker>(broker: &B, topics: &Topics, board: &Board, stop: &StopSign) {
    let mut places = Marks::new();
    while !stop.is_up() {
        if let Err(error) = listen(broker, topics, board, stop, &mut places) {
            tracing::warn!(%error, "the audit cannot be heard; going on from where it was");
            sleep(AGAIN, stop);
        }
    }
}

fn listen<B: Broker>(
    broker: &B,
    topics: &Topics,
    board: &Board,
    stop: &StopSign,
    places: &mut Marks,
) -> Result<(), Error> {
    let mut listener = Listener::open(broker, topics, None, places)?;
    // From here on no answer is missed: it stays so when this begins again.
    board.feed.hears();
    while !stop.is_up() {
        let told = listener.read();
        places.clone_from(listener.places());
        board.feed.tell(told?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::broker::memory::{Call, Fault, Operation};
    use crate::broker::{Action, Code, Publication, Publisher};
    use crate::cli::tests::{Place, eventually};
    use crate::flow::{AuditEvent, FlowId, Happening, Position, Transition};
    use crate::instance::News;
    use crate::metrics::Metrics;
    use crate::schema::audit;
    use crate::time::Timestamp;

    fn tell(place: &Place, flow: &str) {
        let happening = Happening::Transition { transition: Transition::Seen, pause: None, command: None };
        let (flow, position) = (Some(FlowId::new(flow).unwrap()), Position::default());
        let value = audit::write(&AuditEvent { flow, partition: 0, at: Timestamp(0), position, happening });
        let (topic, partition) = (place.settings.topics.audit.as_str(), Some(0));
        let mut publisher = place.memory.publisher().unwrap();
        let value = Some(value.as_slice());
        publisher.publish(&Publication { topic, partition, timestamp: None, key: None, value, headers: &[] }).unwrap();
        assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
    }

    /// Goal: what is told while the brokers fail is heard all the same, once. Method: polls fail until it is told.
    #[test]
    fn it_goes_on_from_where_it_was_when_brokers_fail() {
        let place = Place::new();
        tell(&place, "before");
        let (board, stop) = (Arc::new(Board::new(Metrics::new().unwrap(), 1)), StopSign::default());
        let (memory, topics) = (place.memory.clone(), place.settings.topics.clone());
        let (by, until) = (Arc::clone(&board), stop.clone());
        let thread = std::thread::spawn(move || look(&memory, &topics, &by, &until));
        eventually("it listens", || board.feed.is_heard());
        tell(&place, "one");
        let heard = || board.feed.from(0, 10).unwrap();
        eventually("one is heard", || heard().len() == 1);
        let refused = Error::new(Action::Stop, Code::Other, "no");
        let failed = Arc::new(AtomicBool::new(false));
        let met = Arc::clone(&failed);
        let failing = move |call: &Call<'_>| {
            let is_met = call.operation == Operation::ReaderPoll;
            met.fetch_or(is_met, Ordering::SeqCst);
            is_met.then(|| Fault::Fail(refused.clone()))
        };
        place.memory.set_fault_hook(Some(Box::new(failing)));
        tell(&place, "two");
        eventually("it has met the fault", || failed.load(Ordering::SeqCst));
        place.memory.set_fault_hook(None);
        place.memory.fail_next(Operation::Assign, Fault::Fail(Error::new(Action::Retry, Code::Other, "no")));
        tell(&place, "three");
        eventually("all are heard", || heard().len() >= 3);
        stop.raise();
        thread.join().unwrap();
        let flow = |news: &News| match news {
            News::Audit(told) => told.event.flow().unwrap().to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(heard().iter().map(flow).collect::<Vec<_>>(), ["one", "two", "three"]);
    }
}
