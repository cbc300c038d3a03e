//! The oldest brokers that work.

use std::time::Duration;

use crate::company::{Company, Dice, happened};
use crate::killed::start;
use crate::server::KafkaServer;
use crate::upstream::{Partitioner, Upstream};

/// The first whose KRaft mode was called ready for production. README.md names it.
const OLDEST: &str = "3.3.2";

const KILLS: u32 = 5;

/// Goal: topics are made on brokers that know only the older of two settings, and so are queue topics; nothing is lost, doubled or
/// out of order there when a gate is killed while it holds and while it drains.
#[test]
fn of_which_a_gate_is_killed() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    assert!(readme.contains(&format!("Apache Kafka {OLDEST} ")), "README.md names another version as the oldest");
    let server = KafkaServer::of_version(OLDEST);
    let company = Company::on(&server.brokers(), &server.brokers(), "oldest", 3, 1);
    assert!(!company.good(&["topics", "check"]).contains("breaks"));
    let mut dice = Dice::new("the oldest brokers");
    let mut gate = start(&company, &mut dice).restored();
    let upstream = Upstream::start(company.client(Partitioner::Java), &["held", "live"], Duration::from_millis(5));
    let mut kills = 0;
    while kills < KILLS {
        company.order(&["pause", "held", "--keep", "all"]);
        company.until("held", "held", |flow| flow.counts.held().total() > 100);
        dice.moment(Duration::from_millis(400));
        gate.kill();
        gate = start(&company, &mut dice);
        company.order(&["resume", "held", "--rate", "400"]);
        dice.moment(Duration::from_millis(400));
        gate.kill();
        gate = start(&company, &mut dice);
        kills += 1;
    }
    upstream.stop();
    company.order(&["resume", "held", "--wait"]);
    company.until_all_is_read();
    assert!(!company.good(&["topics", "check"]).contains("breaks"), "of the queue topic");
    gate.stop();
    happened("kill -9 on the oldest brokers", 2 * kills, 2 * KILLS, &company.check());
}
