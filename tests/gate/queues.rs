//! Many drains at once: one buffer for all of them, a few queues read at a time, and everybody's turn comes.

use serde_json::{Value, json};

use super::rig::Rig;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("flow{number}")).collect()
}

fn events(count: usize) -> String {
    (0..count).map(|number| format!("r{number}")).collect::<Vec<_>>().join(" ")
}

/// Pauses each of these flows and has so many events held for it.
fn hold(rig: &mut Rig, held: &[(&str, usize)]) {
    for (flow, count) in held {
        rig.order(flow, "pause", json!({}));
        rig.send_all(flow, &events(*count));
    }
    rig.settle();
}

fn resume(rig: &mut Rig, flows: &[impl AsRef<str>], options: Value) {
    for flow in flows {
        rig.command(flow.as_ref(), "resume", options.clone());
    }
}

/// Steps the worker until it has nothing to do: the most of everything that was read ahead at any moment.
fn settle(rig: &mut Rig) -> Ahead {
    let mut most = Ahead::default();
    while !rig.step(0).unwrap() {
        let now = ahead(rig);
        most.queues = most.queues.max(now.queues);
        most.entries = most.entries.max(now.entries);
        most.bytes = most.bytes.max(now.bytes);
    }
    most
}

/// What is read ahead of drains.
#[derive(Debug, Default)]
struct Ahead {
    queues: usize,
    entries: usize,
    bytes: usize,
}

fn ahead(rig: &Rig) -> Ahead {
    let shot = rig.workers[0].snapshot();
    Ahead { queues: shot.queues_read, entries: shot.read_ahead, bytes: shot.memory.drains.used }
}

/// Goal: however many flows resume at once, what is read ahead of their drains has one bound, and few queues are read.
#[test]
fn twenty_drains_share_one_buffer() {
    let mut rig = Rig::with(|options| {
        options.turn.queues = 3;
        options.turn.ahead = 50;
        options.turn.backlog = 7;
    });
    let flows = names(20);
    hold(&mut rig, &flows.iter().map(|flow| (flow.as_str(), 30)).collect::<Vec<_>>());
    resume(&mut rig, &flows, json!({}));
    let most = settle(&mut rig);
    assert!(most.queues == 3 && (30..=50).contains(&most.entries), "{most:?}");
    for flow in &flows {
        assert_eq!((rig.delivered(flow), rig.state(flow)), (events(30), "live"));
    }
}

/// Goal: the buffer is bounded in bytes too.
#[test]
fn large_entries_fill_the_buffer_by_their_bytes() {
    let mut rig = Rig::with(|options| options.turn.bytes = 4_000);
    let flows = names(10);
    hold(&mut rig, &flows.iter().map(|flow| (flow.as_str(), 100)).collect::<Vec<_>>());
    resume(&mut rig, &flows, json!({}));
    let most = settle(&mut rig);
    // The record that reaches the bound is still taken.
    assert!((4_000..8_400).contains(&most.bytes), "{most:?}");
    assert!(flows.iter().all(|flow| rig.delivered(flow) == events(100)));
}

/// Goal: a queue that is long leaves its place to those that wait, and comes back to it.
#[test]
fn a_long_queue_leaves_its_place_to_the_others() {
    let mut rig = Rig::with(|options| {
        options.turn.queues = 1;
        options.turn.ahead = 20;
        options.turn.backlog = 5;
    });
    hold(&mut rig, &[("long", 500), ("short", 5), ("other", 5)]);
    resume(&mut rig, &["long", "short", "other"], json!({}));
    let mut first_live = Vec::new();
    while !rig.step(0).unwrap() {
        for flow in ["long", "short", "other"] {
            if rig.state(flow) == "live" && !first_live.contains(&flow) {
                first_live.push(flow);
            }
        }
    }
    assert_eq!(first_live.last(), Some(&"long"));
    assert_eq!((rig.delivered("long"), rig.delivered("short")), (events(500), events(5)));
}

/// Goal: a drain with a rate has as much read as it uses soon, leaves its place to others meanwhile, and ends.
#[test]
fn a_slow_drain_is_read_as_it_goes() {
    let mut rig = Rig::with(|options| options.turn.queues = 1);
    hold(&mut rig, &[("slow", 60), ("fast", 60)]);
    rig.command("slow", "resume", json!({"max_rate": 3}));
    assert!((1..=6).contains(&settle(&mut rig).entries));
    rig.command("fast", "resume", json!({}));
    settle(&mut rig);
    assert_eq!(rig.delivered("fast"), events(60));
    rig.run_until_live("slow");
    assert_eq!(rig.delivered("slow"), events(60));
    assert!(settle(&mut rig).queues == 0);
}

/// Goal: slow drains, many of them and with large entries, keep no other from being read.
#[test]
fn slow_drains_leave_room_for_the_others() {
    let mut rig = Rig::with(|options| {
        options.turn.ahead = 10;
        options.turn.queues = 2;
        options.turn.bytes = 500;
    });
    let slow = names(20);
    let held: Vec<_> = slow.iter().map(|flow| (flow.as_str(), 5)).chain([("fast", 60)]).collect();
    hold(&mut rig, &held);
    resume(&mut rig, &slow, json!({"max_rate": 1}));
    settle(&mut rig);
    rig.command("fast", "resume", json!({}));
    let mut rounds = 0;
    while rig.state("fast") != "live" {
        rig.pass(std::time::Duration::from_millis(250));
        rounds += 1;
        assert!(rounds < 200, "{:?}", ahead(&rig));
    }
    for flow in &slow {
        rig.run_until_live(flow);
        assert_eq!(rig.delivered(flow), events(5));
    }
}
