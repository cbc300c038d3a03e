//! `kill -9` of a `flowgate redrive` in the middle.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use flowgate::broker::{Broker as _, Isolation, Reader as _};
use flowgate::schema::headers::REDRIVE;

use crate::company::{Company, Dice, happened};
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
