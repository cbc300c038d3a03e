//! Records that Kafka refuses to store: what is done about them, and that nothing else waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flowgate::broker::memory::{Call, Fault, Operation};
use flowgate::broker::{Action, Code, Error, Publication};
use flowgate::time::Timestamp;

use serde_json::json;

use super::rig::{Rig, START, header, publication};

/// Text that no compression makes much shorter.
fn noise(bytes: usize) -> String {
    let mut seed = 1_u32;
    let sign = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // No quotation mark and no backslash: JSON would make them longer.
        char::from(b'#' + (seed >> 24) as u8 % 56)
    };
    std::iter::repeat_with(sign).take(bytes).collect()
}

fn large(rig: &Rig, flow: &str, record: &str, padding: &str) {
    rig.send_value(flow, &json!({"flow_id": flow, "record_id": record, "padding": padding}));
}

/// While the switch is on, the events of one partition cannot be fetched: its leader is gone.
fn without_leader(rig: &Rig, partition: i32) -> Arc<AtomicBool> {
    let gone = Arc::new(AtomicBool::new(false));
    let (switch, place) = (Arc::clone(&gone), format!("{}/{partition}", rig.topics.enrollments));
    rig.memory.set_fault_hook(Some(Box::new(move |call: &Call<'_>| {
        let hit = call.operation == Operation::FetchFrom && call.subject == place && switch.load(Ordering::SeqCst);
        hit.then(|| Fault::Fail(Error::new(Action::Retry, Code::Busy, "no leader")))
    })));
    gone
}

/// Lets time pass while the worker goes on as it can: what it waits for may never come.
fn go_on(rig: &mut Rig, time: Duration) {
    let until = rig.now().after(time);
    while rig.now() < until {
        let idle = rig.step(0).unwrap();
        rig.wait(Duration::from_millis(if idle { 10 } else { 1 }));
    }
}

/// Goal: where a topic takes less than a batch, what it refuses is the batch and no record of it: all of them go on as they are, after
/// one turn that is lost. Method: of each topic in turn the limit is lowered while the gate runs, to twenty small records. What only the
/// gate writes is small: there it is so even if the brokers do not show the limit.
#[test]
fn a_batch_that_a_topic_does_not_take_says_nothing_of_its_records() {
    let shown = ["records", "discarded", "state", "audit", "queue"].map(|topic| (topic, true));
    for (lowered, is_shown) in shown.into_iter().chain([("state", false), ("audit", false)]) {
        let mut rig = Rig::new();
        let flows: Vec<String> = (0..100).map(|number| format!("f{number}")).collect();
        rig.order("discarding", "pause", json!({"new_records": "discard"}));
        rig.order("holding", "pause", json!({"keep": "all"}));
        rig.send_all("holding", "a");
        rig.settle();
        let topic = match lowered {
            "records" => rig.topics.records.clone(),
            "discarded" => rig.topics.discarded.clone(),
            "state" => rig.topics.state.clone(),
            "audit" => rig.topics.audit.clone(),
            _ => rig.queue("holding"),
        };
        rig.memory.configure(&topic, "max.message.bytes", "6000").unwrap();
        if !is_shown {
            let denied = || Fault::Fail(Error::new(Action::Retry, Code::Denied, "not allowed"));
            let hook = move |call: &Call<'_>| (call.operation == Operation::TopicConfig).then(denied);
            rig.memory.set_fault_hook(Some(Box::new(hook)));
        }
        let before = rig.workers[0].stats().aborts;
        for flow in &flows {
            rig.send_all(flow, "a");
            rig.command(flow, "pause", json!({}));
        }
        for number in 0..100 {
            for flow in ["live", "discarding", "holding"] {
                rig.send_all(flow, &format!("n{number}"));
            }
        }
        rig.settle();
        let aborts = rig.workers[0].stats().aborts - before;
        assert!(aborts == 1, "{lowered}: {aborts} turns were lost");
        assert_eq!(rig.dead_letters().len(), 0, "{lowered}");
        assert!(flows.iter().all(|flow| rig.state(flow) == "paused"), "{lowered}");
        assert_eq!(rig.delivered("live").split(' ').count(), 100, "{lowered}");
        assert_eq!(rig.discarded("discarding").split(' ').count(), 100, "{lowered}");
        rig.order("holding", "resume", json!({}));
        rig.settle();
        assert_eq!(rig.delivered("holding").split(' ').count(), 101, "{lowered}");
    }
}

/// Goal: a refused event whose partition then has no leader holds up nothing but that partition, and shows itself.
/// Method: its leader goes between the refusal and the treatment; a pause of the same partition ends by its timer, a
/// command is answered, held events of another flow are released, and events of other partitions are delivered.
#[test]
fn a_refused_event_that_cannot_be_fetched_again_holds_up_only_its_partition() {
    let mut rig = Rig::new();
    rig.memory.configure(&rig.topics.records, "max.message.bytes", "50000").unwrap();
    let home = rig.home("welcome");
    let neighbour = (0..).map(|n| format!("n{n}")).find(|flow| rig.home(flow) == home).unwrap();
    let other = (0..).map(|n| format!("o{n}")).find(|flow| rig.home(flow) != home).unwrap();
    rig.order(&neighbour, "pause", json!({"for_seconds": 5}));
    rig.order(&other, "pause", json!({}));
    rig.send_all(&neighbour, "held");
    rig.send_all(&other, "kept");
    rig.settle();

    let gone = without_leader(&rig, home);
    large(&rig, "welcome", "large", &noise(100_000));
    rig.send_all("welcome", "behind");
    assert!(rig.step_to(0, "abort"), "it is refused");
    gone.store(true, Ordering::SeqCst);
    go_on(&mut rig, Duration::from_millis(500));
    assert_eq!(rig.workers[0].obstacles(), Vec::<String>::new(), "it may still come");

    go_on(&mut rig, Duration::from_secs(7));
    assert_eq!((rig.delivered(&neighbour).as_str(), rig.state(&neighbour)), ("held", "live"), "timer and drain");
    let command = rig.command(&other, "resume", json!({}));
    go_on(&mut rig, Duration::from_secs(1));
    assert!(rig.answer(&command).starts_with("applied"));
    rig.send_all(&other, "next");
    go_on(&mut rig, Duration::from_secs(1));
    assert_eq!(rig.delivered(&other), "kept next");
    assert_eq!(rig.delivered("welcome"), "");
    let obstacles = rig.workers[0].obstacles();
    let named = format!("{}/{home}/", rig.topics.enrollments);
    let tells = |sentence: &String| sentence.contains(&named) && sentence.contains("too large");
    assert!(obstacles.len() == 1 && tells(&obstacles[0]), "{obstacles:?}");

    gone.store(false, Ordering::SeqCst);
    rig.run_for(Duration::from_secs(1));
    assert_eq!(rig.delivered("welcome"), "behind");
    assert_eq!(rig.dead_letters().len(), 1);
    assert_eq!(rig.workers[0].obstacles(), Vec::<String>::new());
}

/// Goal: an event that is refused for its timestamp first and then for its size is written with the time of writing and
/// compressed: its value is kept. Method: the topic takes neither its timestamp nor its size.
#[test]
fn a_refused_timestamp_is_remembered_when_the_size_is_refused() {
    let mut rig = Rig::new();
    rig.memory.configure(&rig.topics.records, "message.timestamp.before.max.ms", "1000").unwrap();
    rig.memory.configure(&rig.topics.records, "max.message.bytes", "50000").unwrap();
    let padding = "x".repeat(100_000);
    let value = json!({"flow_id": "welcome", "record_id": "a", "padding": padding}).to_string();
    let old = Timestamp(START.0 - 86_400_000);
    let event = publication(&rig.topics.enrollments, None, Some(b"welcome"), Some(value.as_bytes()));
    rig.publish(&Publication { timestamp: Some(old), ..event });
    rig.send_all("welcome", "b");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), "a b");
    assert_eq!(rig.dead_letters().len(), 0);
    let stored = rig.read(&rig.topics.records).into_iter().find(|record| record.size() > 1_000).unwrap();
    assert_eq!(header(&stored, "flowgate-timestamp").unwrap(), old.0.to_string());
}

/// Goal: a dead letter of a command that is refused whatever is left out of it stops the gate with a sentence, as that
/// of an event does; it is not tried for ever.
#[test]
fn a_dead_letter_of_a_command_that_is_refused_even_bare_stops_the_gate() {
    let mut rig = Rig::new();
    rig.settle();
    rig.memory.configure(&rig.topics.dead_letters, "max.message.bytes", "10").unwrap();
    rig.control(b"no json");
    let stop = (0..2_000).find_map(|_| rig.step(0).err()).expect("it stops");
    assert!(stop.to_string().contains("does not even take a dead letter"), "{stop}");
    assert_eq!(stop.exit_code(), 3);
    rig.whole = false;
}

/// Goal: what was found out about an entry where it was to be released says nothing when it goes elsewhere. Method: its
/// size is refused downstream, even compressed; before it is buried, `release: none` sends it to the discarded ones,
/// which take it with its value.
#[test]
fn an_entry_that_goes_elsewhere_is_tried_whole_again() {
    let mut rig = Rig::new();
    rig.memory.configure(&rig.topics.records, "max.message.bytes", "50000").unwrap();
    rig.order("welcome", "pause", json!({"keep": "all"}));
    large(&rig, "welcome", "large", &noise(100_000));
    rig.settle();
    rig.command("welcome", "resume", json!({}));
    for _ in 0..2 {
        assert!(rig.step_to(0, "abort"));
        rig.step(0).unwrap();
    }
    rig.command("welcome", "pause", json!({}));
    rig.command("welcome", "resume", json!({"release": "none"}));
    rig.settle();
    assert_eq!((rig.discarded("welcome").as_str(), rig.state("welcome")), ("large", "live"));
    assert_eq!(rig.dead_letters().len(), 0);
}

/// Goal: a partition full of events that are refused keeps no other from its events, however many they are. Method: after
/// each refused event at most a few turns pass until the other partition has its next one.
#[test]
fn a_partition_full_of_refused_events_stops_nobody() {
    let mut rig = Rig::with(|options| options.turn.records = 4);
    rig.memory.configure(&rig.topics.records, "max.message.bytes", "50000").unwrap();
    let home = rig.home("welcome");
    let other = (0..).map(|n| format!("o{n}")).find(|flow| rig.home(flow) != home).unwrap();
    for _ in 0..20 {
        large(&rig, "welcome", "large", &noise(100_000));
    }
    rig.send_all(&other, "a b c");
    let mut buried = 0;
    for _ in 0..20_000 {
        rig.step(0).unwrap();
        buried = rig.dead_letters().len();
        if rig.delivered(&other) == "a b c" {
            break;
        }
    }
    assert!(buried <= 3, "{buried} of them were buried before the others had their turn");
    rig.settle();
    assert_eq!(rig.dead_letters().len(), 20);
}

/// Goal: a sample of one releases one, also if the first cannot be stored downstream and becomes a dead letter.
#[test]
fn a_dead_letter_does_not_count_in_a_sample() {
    let mut rig = Rig::new();
    rig.memory.configure(&rig.topics.records, "max.message.bytes", "50000").unwrap();
    rig.order("welcome", "pause", json!({}));
    large(&rig, "welcome", "large", &noise(100_000));
    rig.send_all("welcome", "a b");
    rig.settle();
    rig.order("welcome", "release", json!({"count": 1}));
    assert_eq!((rig.delivered("welcome").as_str(), rig.dead_letters().len()), ("a", 1));
    assert_eq!((rig.state("welcome"), rig.flow("welcome").counts.held().total()), ("paused", 1));
    // The checker knows no such fate.
    rig.whole = false;
}
