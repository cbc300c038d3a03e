//! The eighteen months of purchases through `flowgate run`, with an operator at the command line while they flow.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flowgate::demo::feed::Feed;
use flowgate::demo::proof::prove;
use flowgate::demo::purchases::{POST_PURCHASE, WELCOME, WIN_BACK, events};

use crate::company::{Company, happened, is_live};
use crate::process::eventually;
use crate::say::say;

/// Goal: the whole promise on real input. Method: 28,094 events, a day every few milliseconds; pauses with every option and
/// resumes of every kind come from the command line in between; the checker closes both sums.
#[test]
fn eighteen_months_of_purchases() {
    let company = Company::new("purchases", 6);
    let gate = company.gate("a", &["workers=2"]).restored();
    let mut feed = Feed::new(&company.kafka, &company.topics, events()).unwrap();
    let (total, sent) = (feed.total(), AtomicUsize::new(0));
    let reached = |share: f64| {
        let wanted = (total as f64 * share) as usize;
        eventually("the purchases flow", || sent.load(Ordering::Relaxed) >= wanted);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while let Some(day) = feed.next_at() {
                feed.send_until(day).unwrap();
                sent.store(feed.sent(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        reached(0.05);
        company.order(&["pause", POST_PURCHASE, "--reason", "wrong voucher"]);
        company.order(&["pause", WELCOME, "--discard-new"]);
        reached(0.25);
        company.order(&["resume", POST_PURCHASE, "--wait"]);
        company.order(&["resume", WELCOME, "--rate", "2000"]);
        reached(0.45);
        company.order(&["pause", POST_PURCHASE]);
        // Ends by its timer.
        company.order(&["pause", WIN_BACK, "--for", "3s", "--keep", "all"]);
        reached(0.60);
        // A pause in the middle of a drain.
        company.order(&["resume", POST_PURCHASE, "--rate", "50"]);
        company.order(&["pause", POST_PURCHASE]);
        reached(0.75);
        company.order(&["resume", POST_PURCHASE]);
        company.order(&["pause", WIN_BACK]);
        reached(0.90);
        company.order(&["resume", WIN_BACK, "--release", "none"]);
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
