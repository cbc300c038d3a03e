//! Topics that cannot be made.

use super::Place;
use crate::broker::memory::{Fault, Operation};
use crate::broker::{Action, Code, Error};
use crate::cli::{Failure, exit};

fn refused(place: &Place, error: (Action, Code, &str), arguments: &[&str]) -> Failure {
    let error = Error::new(error.0, error.1, error.2.to_owned());
    place.memory.fail_next(Operation::CreateTopics, Fault::Fail(error));
    place.run(&[&["topics", "create"], arguments].concat()).0.unwrap_err()
}

/// Goal: who asks for more replicas than there are brokers is told what to write. Method: the refusal as Kafka's adapter gives
/// it; other refusals, and other reasons for the same one, keep the broker's words.
#[test]
fn more_replicas_than_brokers_are_refused_with_what_to_write() {
    let place = Place::new();
    let replication = (Action::Retry, Code::Busy, "flow.enrollments: Invalid replication factor");
    let failure = refused(&place, replication, &["--replication-factor", "3"]);
    assert_eq!(failure.code, exit::CONFIGURATION);
    assert_eq!(
        failure.to_string(),
        "topics cannot have 3 replicas: the cluster has 1 broker that can be reached now, and each replica needs one of \
         its own\n  hint: write `--replication-factor 1`, or start 2 more"
    );
    let denied = (Action::Stop, Code::Denied, "flow.enrollments: not allowed");
    for (error, arguments) in [
        (replication, &["--replication-factor", "1"][..]),
        (replication, &[]),
        (denied, &["--replication-factor", "3"]),
    ] {
        let failure = refused(&place, error, arguments);
        assert!(failure.what.starts_with("topic `flow.enrollments` cannot be created: "), "{failure}");
        assert_eq!(failure.code, exit::OTHER);
    }
}
