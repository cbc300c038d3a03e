//! Gates under a name that was given keep their places in the group: a restart under the name, a twin, a process that wakes
//! up beside the one that was started in its place.

use std::time::{Duration, Instant};

use crate::company::{Company, Dice, happened};
use crate::process::eventually;
use crate::prometheus::Prometheus;
use crate::server::KafkaServer;
use crate::upstream::{Partitioner, Upstream};

const PARTITIONS: u32 = 4;

const FLOWS: [&str; 8] = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7"];

/// Goal: a killed gate that is started again under its name goes on long before its session would have ended. Method: with a
/// session of 45 s, beside another gate; each time events of flows in all partitions have to be through in less than half
/// of that.
#[test]
fn under_the_same_name() {
    const SETTINGS: &[&str] = &["session_timeout=45s", "transaction_timeout=10s"];
    const KILLS: u32 = 3;
    let company = Company::new("restarted", PARTITIONS);
    let mut client = company.client(Partitioner::Java);
    let other = company.gate("other", SETTINGS).restored();
    let mut gate = company.gate("killed", SETTINGS).restored();
    let mut slowest = Duration::ZERO;
    for _ in 0..KILLS {
        FLOWS.iter().for_each(|flow| client.burst(flow, 10));
        company.until_all_is_read();
        gate.kill();
        FLOWS.iter().for_each(|flow| client.burst(flow, 10));
        let began = Instant::now();
        gate = company.gate("killed", SETTINGS);
        company.until_all_is_read();
        slowest = slowest.max(began.elapsed());
        gate = gate.restored();
    }
    assert!(slowest < Duration::from_secs(20), "{slowest:?} from the start until all is read");
    other.stop();
    gate.stop();
    happened(&format!("kill -9 and a restart under the name, all read within {slowest:?}"), KILLS, 3, &company.check());
}

/// Goal: so does one that is killed while it comes back, whatever it is about: also what it does beside its member, so that
/// the group looks at who has what, leaves nobody behind whom the group waits for. Method: killed at random moments after
/// its start.
#[test]
fn while_it_comes_back() {
    const SETTINGS: &[&str] = &["session_timeout=45s", "transaction_timeout=10s"];
    const KILLS: u32 = 8;
    let company = Company::new("returning", PARTITIONS);
    let mut dice = Dice::new("killed while it comes back");
    let mut client = company.client(Partitioner::Java);
    let other = company.gate("other", SETTINGS).restored();
    let mut gate = company.gate("killed", SETTINGS).restored();
    let mut slowest = Duration::ZERO;
    for _ in 0..KILLS {
        gate.kill();
        let first = company.gate("killed", SETTINGS);
        dice.moment(Duration::from_secs(3));
        first.kill();
        FLOWS.iter().for_each(|flow| client.burst(flow, 10));
        let began = Instant::now();
        gate = company.gate("killed", SETTINGS);
        company.until_all_is_read();
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_secs(20), "{slowest:?} from the start until all is read");
    other.stop();
    gate.restored().stop();
    happened(&format!("kill -9 of a gate that comes back, all read within {slowest:?}"), KILLS, 3, &company.check());
}

/// Goal: brokers that refuse so short a session as that of a member that comes for a moment keep no gate from coming back.
#[test]
fn where_sessions_have_to_be_long() {
    const SETTINGS: &[&str] = &["session_timeout=30s", "transaction_timeout=10s"];
    let server = KafkaServer::start(&[("group.min.session.timeout.ms", "20000")]);
    let company = Company::on(&server.brokers(), &server.brokers(), "long", PARTITIONS, 1);
    let mut client = company.client(Partitioner::Java);
    let other = company.gate("other", SETTINGS).restored();
    company.gate("killed", SETTINGS).restored().kill();
    FLOWS.iter().for_each(|flow| client.burst(flow, 10));
    let gate = company.gate("killed", SETTINGS);
    company.until_all_is_read();
    gate.restored().stop();
    other.stop();
    happened("kill -9 where sessions have to be long", 1, 1, &company.check());
}

/// Goal: of two gates under one name the older one ends with exit code 4, with or without events to deliver, and the newer
/// one goes on.
#[test]
fn a_twin() {
    let company = Company::new("twin", PARTITIONS);
    let mut client = company.client(Partitioner::Java);
    let mut older = company.gate("twin", &[]).restored();
    for round in 0..3 {
        FLOWS.iter().for_each(|flow| client.burst(flow, 10));
        company.until_all_is_read();
        let newer = company.gate("twin", &[]);
        if round == 1 {
            FLOWS.iter().for_each(|flow| client.burst(flow, 100));
        }
        let (code, said) = older.end();
        assert_eq!(code, Some(4), "{said}");
        older = newer.restored();
    }
    FLOWS.iter().for_each(|flow| client.burst(flow, 10));
    company.until_all_is_read();
    older.stop();
    happened("a second gate under the name of a living one", 3, 3, &company.check());
}

/// Goal: a gate is frozen, another one is started in its place, and the frozen one wakes up: one of the two ends with exit
/// code 4, and only one. It is the one that was frozen, unless it was in the middle of making a producer, or its client asks for
/// a newer epoch for a transaction that timed out, whereupon Kafka ends one that the other has open. Method: under load, at random moments.
#[test]
fn a_zombie() {
    const FREEZES: u32 = 4;
    let company = Company::new("zombie", PARTITIONS);
    let prometheus = Prometheus::watching(&company);
    let mut dice = Dice::new("a zombie beside its successor");
    let upstream = Upstream::start(company.client(Partitioner::Java), &FLOWS, Duration::from_millis(4));
    let mut gate = company.gate("zombie", &[]).restored();
    let mut woken_ended = 0;
    for freeze in 0..FREEZES {
        dice.moment(Duration::from_millis(500));
        let mut zombie = gate;
        assert!(zombie.signal("STOP"));
        if freeze == 0 {
            prometheus.sees("FlowgateDown", r#"instance="zombie""#);
        }
        dice.moment(Duration::from_secs(4));
        let mut successor = company.gate("zombie", &[]).restored();
        dice.moment(Duration::from_secs(1));
        assert!(zombie.signal("CONT"));
        eventually("one of two ends", || zombie.ended().or_else(|| successor.ended()).is_some());
        let woken = zombie.ended().is_some();
        woken_ended += u32::from(woken);
        let (ended, other) = if woken { (zombie, successor) } else { (successor, zombie) };
        let (code, said) = ended.end();
        assert_eq!(code, Some(4), "{said}");
        gate = other;
        let (sent, placed) = (upstream.sent(), company.log().records.len());
        eventually("more load", || upstream.sent() > sent + 200);
        company.until_log("events go on", |log| log.records.len() > placed + 200);
        assert!(gate.ended().is_none(), "both have ended: {}", gate.log());
    }
    upstream.stop();
    company.until_all_is_read();
    gate.stop();
    let fault = format!("SIGCONT of a gate beside the one in its place, which ended {woken_ended} times");
    happened(&fault, FREEZES, 4, &company.check());
}
