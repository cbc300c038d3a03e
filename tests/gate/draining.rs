//! What a drain does, and what comes between.

use std::time::Duration;

use serde_json::json;

use super::rig::{DAY, Rig, header};

/// A flow with these records held.
fn held(records: &str) -> Rig {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", records);
    rig.settle();
    rig
}

/// Goal: `release: none` discards what is held now, whatever the rate, and delivers what comes after.
#[test]
fn a_resume_can_release_nothing() {
    let mut rig = held("r1 r2 r1 +r0");
    rig.command("welcome", "resume", json!({"release": "none"}));
    rig.send_all("welcome", "r5");
    rig.settle();
    assert_eq!((rig.delivered("welcome").as_str(), rig.discarded("welcome").as_str()), ("r5", "r2 r1 +r0"));
    let discarded = &rig.read(&rig.topics.discarded)[0];
    assert_eq!(header(discarded, "flowgate-reason").unwrap(), "release_none");
    assert!(header(discarded, "flowgate-timestamp").is_some());
}

/// Goal: `max_rate` gives a token a second for each record of the rate, no faster, and ends.
#[test]
fn a_drain_keeps_to_its_rate() {
    let mut rig = held("a b c d e f g h i j");
    let from = rig.now();
    rig.order("welcome", "resume", json!({"max_rate": 1}));
    let mut last = 0;
    while rig.state("welcome") != "live" {
        rig.run_for(Duration::from_millis(500));
        let passed = rig.delivered("welcome").split_whitespace().count();
        let seconds = rig.now().since(from).as_secs_f64();
        assert!(passed as f64 <= seconds + 1.1, "{passed} after {seconds} s");
        last = last.max(passed);
    }
    let took = rig.now().since(from).as_secs_f64();
    assert!((9.0..11.0).contains(&took), "{took}");
    assert_eq!(rig.delivered("welcome"), "a b c d e f g h i j");
}

/// Goal: owners that follow one another at once keep to the rate together. Method: clean stops, which take no time.
#[test]
fn a_drain_keeps_to_its_rate_across_take_overs() {
    let mut rig = held("a b c d e f g h i j k l");
    let from = rig.now();
    rig.order("welcome", "resume", json!({"max_rate": 1}));
    for _ in 0..6 {
        rig.stop();
        rig.start("a");
        rig.settle();
        rig.run_for(Duration::from_millis(250));
        let passed = rig.delivered("welcome").split_whitespace().count();
        let seconds = rig.now().since(from).as_secs_f64();
        assert!(passed as f64 <= seconds + 1.0, "{passed} after {seconds} s");
    }
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "a b c d e f g h i j k l");
}

/// Goal: a record that is refused and goes in a turn of its own counts against the rate. Method: the records topic takes the
/// first one only compressed.
#[test]
fn a_refused_record_counts_against_the_rate() {
    let mut rig = Rig::new();
    rig.memory.configure(&rig.topics.records, "max.message.bytes", "2000").unwrap();
    rig.order("welcome", "pause", json!({}));
    let value = json!({"flow_id": "welcome", "record_id": "a", "padding": "x".repeat(3_000)});
    rig.send_value("welcome", &value);
    rig.send_all("welcome", "b c d");
    rig.settle();
    rig.order("welcome", "resume", json!({"max_rate": 1}));
    assert_eq!(rig.delivered("welcome"), "a");
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "a b c d");
}

/// Goal: a resume while resuming changes the rate, and only what it names.
#[test]
fn a_running_drain_takes_other_orders() {
    let mut rig = held("a b c d e f g h");
    rig.order("welcome", "resume", json!({"max_rate": 1}));
    rig.run_for(Duration::from_secs(2));
    assert_eq!(rig.state("welcome"), "resuming");
    assert!(rig.order("welcome", "resume", json!({})).starts_with("unchanged"));
    rig.order("welcome", "resume", json!({"release": "none"}));
    rig.run_for(Duration::from_secs(1));
    assert_eq!(rig.state("welcome"), "live", "discarding costs no tokens");
    let (delivered, discarded) = (rig.delivered("welcome"), rig.discarded("welcome"));
    assert_eq!(format!("{delivered} {discarded}"), "a b c d e f g h");
    assert!(delivered.starts_with("a b") && discarded.ends_with("g h"));
}

/// Goal: `max_age_seconds` removes what was held for longer as of the resume, and releases the rest.
#[test]
fn a_resume_can_leave_out_what_is_old() {
    let mut rig = held("a b");
    rig.pass(DAY);
    rig.send_all("welcome", "c d");
    rig.settle();
    rig.order("welcome", "resume", json!({"max_age_seconds": 3600}));
    assert_eq!((rig.delivered("welcome").as_str(), rig.discarded("welcome").as_str()), ("c d", "a b"));
    assert_eq!(header(&rig.read(&rig.topics.discarded)[0], "flowgate-reason").unwrap(), "max_age");
}

/// Goal: an event that arrives while the backlog drains goes behind all of it, at any rate.
#[test]
fn what_arrives_during_a_drain_goes_behind_it() {
    let mut rig = held("a b c");
    rig.order("welcome", "resume", json!({"max_rate": 1}));
    rig.send_all("welcome", "a d +a");
    rig.settle();
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "a b c a d +a");
    rig.send_all("welcome", "e");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), "a b c a d +a e");
}

/// Goal: a pause in the middle of a drain stops it: nothing more comes, what is left keeps its order, and a newer event
/// of a record takes the place of one that is left.
#[test]
fn a_pause_stops_a_drain() {
    let mut rig = held("a b c d e f");
    rig.order("welcome", "resume", json!({"max_rate": 1}));
    rig.run_for(Duration::from_secs(2));
    let first = rig.flow("welcome").pause().unwrap().id.clone();
    assert!(rig.order("welcome", "pause", json!({})).contains("drain stopped"));
    let before = rig.delivered("welcome");
    assert!(before.starts_with("a b") && !before.ends_with('f'), "{before}");
    assert_ne!(rig.flow("welcome").pause().unwrap().id, first);
    rig.send_all("welcome", "d g");
    rig.run_for(Duration::from_secs(5));
    assert_eq!(rig.delivered("welcome"), before);
    rig.check();
    rig.order("welcome", "resume", json!({}));
    let rest = ["a", "b", "c", "e", "f", "d", "g"].into_iter().filter(|id| !before.contains(id));
    assert_eq!(rig.delivered("welcome"), format!("{before} {}", rest.collect::<Vec<_>>().join(" ")));
}

/// Goal: the second pause has 14 days of its own, and `release: none`'s line does not outlive it.
#[test]
fn a_second_pause_begins_anew() {
    let mut rig = held("a b");
    rig.pass(DAY * 13);
    rig.command("welcome", "resume", json!({"release": "none"}));
    rig.command("welcome", "pause", json!({}));
    rig.settle();
    rig.pass(DAY * 13);
    assert_eq!((rig.state("welcome"), rig.discarded("welcome").as_str()), ("paused", ""));
    rig.pass(DAY * 2);
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a b"));
}

/// Goal: a withdraw is delivered at once and takes every held event of its record out, and no later one.
#[test]
fn a_withdraw_takes_out_what_is_held() {
    let mut rig = held("a b +a -a c a");
    assert_eq!(rig.delivered("welcome"), "-a");
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.delivered("welcome"), "-a b c a");
    assert_eq!(rig.flow("welcome").withdrawn, 1);
    assert_eq!(rig.flow("welcome").counts.replaced.total(), 2);
}

/// Goal: so does one that comes while the backlog drains, also against what was read ahead already.
#[test]
fn a_withdraw_takes_out_what_is_still_to_be_drained() {
    let mut rig = held("a b c d");
    rig.order("welcome", "resume", json!({"max_rate": 1}));
    rig.send_all("welcome", "-d");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), "a -d");
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "a -d b c");
    assert_eq!(rig.flow("welcome").counts.replaced.total(), 1);
}

/// Goal: when the last held entry has been passed, the events of that same turn are delivered directly.
#[test]
fn the_turn_that_ends_a_drain_is_live() {
    let mut rig = held("a b");
    rig.command("welcome", "resume", json!({}));
    assert!(rig.step_to(0, "commit"));
    rig.step(0).unwrap();
    // The flow resumes; its backlog is read while this arrives.
    rig.send_all("welcome", "c");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), "a b c");
    let flow = rig.flow("welcome");
    assert_eq!((flow.state_word(), flow.counts.queued.total()), ("live", 2), "c was never held");
}

/// Goal: a hot flow's unlimited drain ends although events of it keep arriving in every turn.
#[test]
fn a_hot_flows_drain_ends() {
    let mut rig = Rig::with(|options| {
        options.turn.records = 20;
        options.turn.backlog = 5;
    });
    rig.order("welcome", "pause", json!({}));
    let mut next = 0;
    let mut arrive = |rig: &Rig, n: u32| {
        for _ in 0..n {
            rig.send("welcome", &format!("r{next}"), "enroll");
            next += 1;
        }
    };
    arrive(&rig, 500);
    rig.settle();
    rig.command("welcome", "resume", json!({}));
    let mut turns = 0;
    while rig.known("welcome").is_none_or(|flow| flow.state_word() != "live") {
        arrive(&rig, 10);
        let before = rig.workers[0].stats().turns;
        while rig.workers[0].stats().turns == before {
            rig.step(0).unwrap();
        }
        turns += 1;
        assert!(turns < 300, "the drain does not end: {:?}", rig.flow("welcome").queue);
    }
    rig.settle();
    let delivered = rig.delivered("welcome");
    let numbers: Vec<u32> = delivered.split(' ').map(|id| id[1..].parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "in the order of arrival");
}

/// Goal: the queue topic is emptied after a drain, retired when it was idle for its time, and a new pause uses the next
/// number, with entry numbers that go on.
#[test]
fn an_idle_queue_topic_is_retired() {
    let mut rig = held("a b");
    assert_eq!(rig.queue("welcome"), "flow.queue.welcome.1");
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.memory.record_count("flow.queue.welcome.1", 0).unwrap(), 0, "emptied");
    rig.pass(DAY * 6);
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "c");
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.queue_topics(), ["flow.queue.welcome.1"], "in use again");
    rig.pass(DAY * 8);
    assert_eq!(rig.queue_topics(), Vec::<String>::new());
    assert_eq!(rig.flow("welcome").queue.topic, None);
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "d e");
    rig.settle();
    assert_eq!(rig.queue_topics(), ["flow.queue.welcome.2"]);
    assert_eq!(rig.flow("welcome").queue.next_entry, 6);
    rig.restart("b");
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.delivered("welcome"), "a b c d e");
}

/// Goal: a queue topic that exists already with something in it is passed over; an empty one is used.
#[test]
fn a_strange_queue_topic_is_passed_over() {
    use super::rig::publication;
    use flowgate::broker::{Admin, Broker, NewTopic};
    let mut rig = Rig::new();
    for number in [1, 2] {
        let config = [("cleanup.policy".to_owned(), "compact,delete".to_owned())].into();
        let name = format!("flow.queue.welcome.{number}");
        let topic = NewTopic { name, partitions: 1, replication_factor: None, config };
        rig.memory.admin().unwrap().create_topics(&[topic]).unwrap().remove(0).unwrap();
    }
    rig.publish(&publication("flow.queue.welcome.1", Some(0), Some(b"enroll::x"), Some(b"{}")));
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "a");
    rig.settle();
    assert_eq!(rig.queue("welcome"), "flow.queue.welcome.2");
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.delivered("welcome"), "a");
    assert_eq!(rig.memory.record_count("flow.queue.welcome.1", 0).unwrap(), 1, "nobody touched it");
}

/// Goal: a record that withdrew does not stay in the queue topic: the cleaner takes its events out although nothing newer
/// of it came.
#[test]
fn a_withdrawn_record_leaves_the_queue_topic() {
    let mut rig = held("a +a b -a c");
    let keys = |rig: &Rig| -> Vec<String> {
        let entries = rig.read(&rig.queue("welcome")).into_iter().filter(|record| record.value.is_some());
        entries.map(|record| String::from_utf8(record.key.unwrap().to_vec()).unwrap()).collect()
    };
    assert_eq!(keys(&rig).len(), 5);
    rig.clean();
    assert_eq!(keys(&rig), ["enroll::b", "withdraw::a", "enroll::c"]);
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.delivered("welcome"), "-a b c");
}

/// Goal: a drain does not pay for the queue topics that were written to before it. Method: ten flows with events held, a rest, all of
/// them resumed; the producers made.
#[test]
fn a_producer_that_has_met_many_topics_is_replaced_when_there_is_much_to_drain() {
    let flows: Vec<String> = (0..10).map(|number| format!("flow-{number}")).collect();
    let records: Vec<String> = (0..30).map(|number| format!("r{number}")).collect();
    for (rest, made) in [(Duration::from_secs(10), 1), (Duration::from_secs(1), 0)] {
        let mut rig = Rig::with(|options| {
            options.turn.slice = 20;
            options.turn.idle_topics = 10;
        });
        for flow in &flows {
            rig.order(flow, "pause", json!({}));
            rig.send_all(flow, &records.join(" "));
        }
        rig.settle();
        rig.run_for(rest);
        let before = rig.workers[0].stats().producers;
        for flow in &flows {
            rig.command(flow, "resume", json!({}));
        }
        rig.settle();
        for flow in &flows {
            assert_eq!(rig.delivered(flow), records.join(" "), "{flow}");
        }
        assert_eq!(rig.workers[0].stats().producers - before, made, "after {rest:?}");
    }
}
