//! A `flowgate redrive` that does not go smoothly.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use flowgate::broker::{Broker as _, Isolation, Reader as _};
use flowgate::schema::headers::REDRIVE;
use serde_json::json;

use crate::company::{Company, Dice, happened};
use crate::limits::set;
use crate::process::eventually;
use crate::upstream::Partitioner;

const PARTITIONS: i32 = 4;
const EVENTS: u32 = 20_000;
const KILLS: u32 = 4;

/// Goal: whoever redrives is killed, gives the same command again, and every letter is an event once. Method: what a paused flow
/// holds is purged; each kill comes when the audit says of more letters that they were redriven, and not of all. At the end
/// the flow holds them all again.
#[test]
fn and_again() {
    let company = Company::new("redriven", PARTITIONS as u32);
    let mut dice = Dice::new("a redrive killed");
    let gate = company.gate("a", &[]).restored();
    let mut client = company.client(Partitioner::Java);
    company.order(&["pause", "purged", "--keep", "all"]);
    client.burst("purged", EVENTS);
    company.until("held", "purged", |flow| flow.queue.last_entry() == u64::from(EVENTS));
    company.order(&["purge", "purged", "--yes", "--command-id", "oops"]);
    let redrive = ["redrive", "discarded", "--command", "oops", "--yes"];
    let mut reader = company.kafka.reader(Isolation::ReadCommitted).unwrap();
    let home = flowgate_checker::home("purged", PARTITIONS);
    let mut end = || company.patiently(|| reader.watermarks(&company.topics.enrollments, home)).end;
    let mut kills = 0;
    while kills < KILLS {
        let before = end();
        let mut child = company.command_line(&redrive).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        eventually("letters are redriven", || end() > before || child.try_wait().unwrap().is_some());
        dice.moment(Duration::from_millis(40));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    let said = company.run(&redrive);
    assert!([Some(0), Some(1)].contains(&said.status.code()), "{said:?}");
    company.until_all_is_read();
    let log = company.log();
    let letter = |record: &flowgate_checker::Record| {
        let header = record.headers.iter().find(|(name, _)| name == REDRIVE.as_bytes())?;
        header.1.clone()
    };
    let letters: Vec<_> = log.enrollments.iter().filter_map(letter).collect();
    let each: BTreeSet<_> = letters.iter().collect();
    let purged = log.discarded.len();
    assert!(purged > EVENTS as usize / 2, "{purged} purged");
    assert_eq!((letters.len(), each.len()), (purged, purged));
    assert_eq!(company.flow("purged").unwrap().counts.held().total(), purged as u64);
    gate.stop();
    happened("kill -9 of a redrive", kills, 2, &company.check());
}

/// Goal: an event that the enrollments do not take any more is told, and all others are redriven. Method: it is larger than what their
/// limit is lowered to, and in the middle of many.
#[test]
fn with_one_that_is_too_large() {
    let company = Company::new("redriven-large", 1);
    let gate = company.gate("a", &[]).restored();
    let mut client = company.client(Partitioner::Java);
    company.order(&["pause", "purged", "--keep", "all"]);
    client.burst("purged", 300);
    let large = json!({"flow_id": "purged", "record_id": "large", "kind": "enroll", "padding": "x".repeat(50_000)});
    client.send("purged", large.to_string().as_bytes());
    client.burst("purged", 300);
    company.until("held", "purged", |flow| flow.queue.last_entry() == 601);
    company.order(&["purge", "purged", "--yes", "--command-id", "oops"]);
    set(&company, &company.topics.enrollments, "max.message.bytes", "20000");
    let said = company.run(&["redrive", "discarded", "--command", "oops", "--yes"]);
    company.until_all_is_read();
    let log = company.log();
    let is_redriven =
        |record: &&flowgate_checker::Record| record.headers.iter().any(|(name, _)| name == REDRIVE.as_bytes());
    let redriven = log.enrollments.iter().filter(is_redriven).count();
    assert_eq!(redriven, log.discarded.len() - 1, "{said:?}");
    gate.stop();
    happened("a redriven event that is too large", (log.discarded.len() - redriven) as u32, 1, &company.check());
}
