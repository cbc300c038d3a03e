//! The eighteen months of purchases through `flowgate run`, with an operator at the command line while they flow.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flowgate::demo::feed::Feed;
use flowgate::demo::proof::prove;
use flowgate::demo::purchases::{POST_PURCHASE, WELCOME, WIN_BACK, events};

use crate::company::{Company, happened, is_live, is_paused};
use crate::process::eventually;
use crate::say::say;

/// Goal: the whole promise on real input. Method: 28,094 events, a day every few milliseconds; pauses with every option and
/// resumes of every kind come from the command line in between; the checker closes both sums.
#[test]
fn eighteen_months_of_purchases() {
    let company = Company::new("purchases", 6);
    let gate = company.gate("a", &["workers=2"]).restored();
    let mut feed = Feed::new(&company.kafka, &company.topics, events()).unwrap();
    let total = feed.total();
    let part = |share: f64| (total as f64 * share) as usize;
    let (sent, allowed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Orders are given from one share of the events on, while they go on flowing; the feed waits at the other until they
    // are answered, as an operator may be slower than eighteen months in as many seconds.
    let during = |from: f64, to: f64, orders: &[&[&str]]| {
        allowed.store(part(to), Ordering::Relaxed);
        eventually("the purchases flow", || sent.load(Ordering::Relaxed) >= part(from));
        orders.iter().for_each(|order| company.order(order));
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while let Some(day) = feed.next_at() {
                eventually("the operator", || sent.load(Ordering::Relaxed) < allowed.load(Ordering::Relaxed));
                feed.send_until(day).unwrap();
                sent.store(feed.sent(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        during(
            0.05,
            0.10,
            &[&["pause", POST_PURCHASE, "--reason", "wrong voucher"], &["pause", WELCOME, "--discard-new"]],
        );
        allowed.store(part(0.25), Ordering::Relaxed);
        company.until("new ones are turned away", WELCOME, |flow| flow.counts.turned_away.total() > 0);
        during(0.25, 0.40, &[&["resume", POST_PURCHASE, "--wait"], &["resume", WELCOME, "--rate", "2000"]]);
        during(0.45, 0.55, &[&["pause", POST_PURCHASE], &["pause", WIN_BACK, "--for", "3s", "--keep", "all"]]);
        company.until("ended by its timer", WIN_BACK, is_live);
        // A pause in the middle of a drain.
        during(0.60, 0.70, &[&["resume", POST_PURCHASE, "--rate", "50"], &["pause", POST_PURCHASE]]);
        during(0.75, 0.80, &[&["resume", POST_PURCHASE], &["pause", WIN_BACK]]);
        allowed.store(part(0.90), Ordering::Relaxed);
        company.until("more are held", WIN_BACK, |flow| is_paused(flow) && flow.counts.held().total() > 0);
        during(0.90, 1.0, &[&["resume", WIN_BACK, "--release", "none"]]);
    });
    assert_eq!(sent.load(Ordering::Relaxed), total);
    for flow in [POST_PURCHASE, WELCOME, WIN_BACK] {
        company.until("live", flow, is_live);
    }
    company.until_all_is_read();
    gate.stop();
    let proof = prove(&company.kafka, &company.topics).unwrap();
    say(&format!("the 18 months on real Kafka:\n{}", proof.table()));
    let report = company.check();
    assert!(proof.holds() && report.events == 28_094, "{}", proof.table());
    let (mut turned_away, mut removed) = (0, 0);
    for sums in report.flows.values() {
        turned_away += sums.turned_away.total();
        removed += sums.removed.total();
    }
    assert!(turned_away > 0 && removed > 0, "{}", proof.table());
    let commands = u32::try_from(report.commands.applied).unwrap();
    happened("a command while 18 months of purchases flow", commands, 11, &report);
}
