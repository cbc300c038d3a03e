//! Topics that cannot be made.

use super::Place;
use crate::broker::memory::{Fault, Operation};
use crate::broker::{Action, Code, Error};
use crate::cli::exit;

fn refused(place: &Place, detail: &str, arguments: &[&str]) -> String {
    let error = Error::new(Action::Stop, Code::InvalidArgument, detail.to_owned());
    place.memory.fail_next(Operation::CreateTopics, Fault::Fail(error));
    let failure = place.run(&[&["topics", "create"], arguments].concat()).0.unwrap_err();
    assert_eq!(failure.code, exit::CONFIGURATION);
    failure.to_string()
}

#[test]
fn more_replicas_than_brokers_are_refused_with_what_to_write() {
    let place = Place::new();
    let replication = "flow.enrollments: Invalid replication factor";
    assert_eq!(
        refused(&place, replication, &["--replication-factor", "3"]),
        "topics cannot have 3 replicas: the cluster has 1 broker that can be reached now, and each replica needs one of \
         its own\n  hint: write `--replication-factor 1`, or start 2 more"
    );
    // Whatever else is wrong is told in the broker's words.
    for arguments in [&["--replication-factor", "1"][..], &[]] {
        let told = refused(&place, "flow.enrollments: Invalid number of partitions", arguments);
        assert!(told.starts_with("topic `flow.enrollments` cannot be created: "), "{told}");
    }
}
