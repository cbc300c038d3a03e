//! What only the adapter to Kafka has, beyond the port: logins, speed, odd bytes, a broker that dies.

use std::time::{Duration, Instant};

use bytes::Bytes;
use flowgate::broker::kafka::{Kafka, KafkaMember, KafkaOptions};
use flowgate::broker::{
    Action, Broker, Code, Commit, Header, Isolation, Member, Outgoing, Polled, Producer, ProducerOptions, Publication,
    Reader, Transaction,
};

use crate::conformance::Harness;
use crate::conformance::steps::{self, Consumer, Writer};
use crate::server::{self, KafkaServer};
use crate::{OnKafka, start};

fn with(brokers: String, client: &[(&str, &str)]) -> Kafka {
    let client = client.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    Kafka::new(KafkaOptions { client, ..KafkaOptions::new(brokers) })
}

fn login(password: &str) -> Kafka {
    let client = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "gate"),
        ("sasl.password", password),
    ];
    with(server::shared().sasl_brokers(), &client)
}

/// Goal: a refused password is told within 2 s, by every kind of client, and then by every other call of that cluster.
#[test]
fn a_wrong_password_stops_within_two_seconds() {
    login("secret").connect(Duration::from_secs(30)).unwrap();

    let started = Instant::now();
    let refused = login("wrong").connect(Duration::from_secs(30)).unwrap_err();
    assert_eq!((refused.action, refused.code), (Action::Stop, Code::Authentication), "{refused:?}");
    assert!(refused.detail.contains("Authentication failed"), "{refused:?}");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());

    let kafka = login("wrong");
    let mut reader = kafka.reader(Isolation::ReadCommitted).unwrap();
    let began = Instant::now();
    let refused = loop {
        assert!(began.elapsed() < Duration::from_secs(60), "a wrong password is not refused");
        match reader.poll(steps::LIMIT, &mut Vec::new()) {
            Ok(_) => {}
            Err(error) if error.action == Action::Retry => {}
            Err(error) => break error,
        }
    };
    assert_eq!((refused.action, refused.code), (Action::Stop, Code::Authentication), "{refused:?}");
    assert_eq!(kafka.admin().map(|_| ()).unwrap_err().code, Code::Authentication);
}

/// Goal: a cluster that is down is a matter of time, a setting that does not exist is not.
#[test]
fn a_cluster_that_is_down_is_no_reason_to_stop() {
    // Nobody listens on port 1.
    let error = with("127.0.0.1:1".to_owned(), &[]).connect(Duration::from_millis(300)).unwrap_err();
    assert_eq!((error.action, error.code), (Action::Retry, Code::TimedOut), "{error:?}");
    let error = with("127.0.0.1:1".to_owned(), &[("no.such.setting", "1")]).connect(Duration::ZERO).unwrap_err();
    assert_eq!((error.action, error.code), (Action::Stop, Code::InvalidArgument), "{error:?}");
    assert!(error.detail.contains("no.such.setting"), "{error:?}");
}

/// Goal: a small turn commits in milliseconds, not in a poll quantum of 100. Method: the quickest of 20.
#[test]
fn a_small_commit_takes_milliseconds() {
    let h = start();
    let topic = steps::topic(&h, "quick", 1, &[]);
    let options = ProducerOptions::new(h.fresh_name("quick"), Duration::from_secs(10));
    let connect = || steps::insist(&h, "a producer is initialised", || h.broker().producer(&options));
    let mut producer = connect();
    let (mut quickest, mut kept) = (Duration::MAX, 0);
    for _ in 0..20 {
        let handle = producer.topic(&topic).unwrap();
        let mut transaction = producer.begin().map_err(|(_, error)| error).unwrap();
        steps::send(&h, &mut transaction, &steps::outgoing(handle, 0, Some(b"k"), None));
        steps::drain(&h, &mut transaction);
        let started = Instant::now();
        producer = match transaction.commit() {
            Commit::Done(producer) => {
                kept += 1;
                quickest = quickest.min(started.elapsed());
                producer
            }
            Commit::DoneReplace => connect(),
            Commit::Retry(_, error) | Commit::Abort(_, error) | Commit::Unknown(error) => panic!("{error:?}"),
        };
    }
    println!("quickest commit {quickest:?}; {kept} of 20 kept their producer");
    assert!(quickest < Duration::from_millis(30), "{quickest:?}");
}

/// Goal: header names are bytes, also those that no text has.
#[test]
fn header_names_are_bytes() {
    let h = start();
    let topic = steps::topic(&h, "names", 1, &[]);
    let names: [&[u8]; 5] = [b"plain", b"\xff\xfe", b"", b"nul\0inside", b"plain"];
    let headers = names.map(|name| Header { name: Bytes::from_static(name), value: Some(Bytes::from_static(b"v")) });
    let record = Publication { headers: &headers, ..steps::publication(&topic, Some(b"k"), None) };
    steps::try_publish(&h, &record).unwrap();
    assert_eq!(steps::read_committed(&h, &topic, 0)[0].headers, headers);
}

/// Goal: a turn may be larger than the client's own queue. Method: 96 MB in records of 1 MB, through a queue of 64 MB.
#[test]
fn a_full_queue_is_waited_for() {
    let h = start();
    let topic = steps::topic(&h, "full", 1, &[("max.message.bytes", "2000000")]);
    let mut writer = Writer::new(&h, "full");
    let handle = writer.topic(&topic);
    let value = vec![b'x'; 1_000_000];
    let mut transaction = writer.begin();
    let mut full = 0;
    for tag in 0..96 {
        let record = Outgoing { value: Some(&value), ..steps::outgoing(handle, 0, Some(b"k"), None) };
        while let Err(error) = transaction.send(&record, tag) {
            assert_eq!((error.action, error.code), (Action::Retry, Code::QueueFull), "{error:?}");
            full += 1;
            transaction.flush(Duration::from_millis(100));
        }
    }
    steps::drain(&h, &mut transaction);
    assert_eq!(transaction.deliveries().len(), 96);
    assert!(full > 0, "the queue took all of it");
    writer.abort(transaction);
}

/// Goal: an abort drops what is under way, and the producer can be used or replaced at once.
#[test]
fn an_abort_drops_what_is_in_flight() {
    let h = start();
    let topic = steps::topic(&h, "drop", 1, &[]);
    let mut writer = Writer::new(&h, "drop");
    for _ in 0..5 {
        let handle = writer.topic(&topic);
        let mut transaction = writer.begin();
        for _ in 0..1000 {
            steps::send(&h, &mut transaction, &steps::outgoing(handle, 0, Some(b"k"), None));
        }
        writer.abort(transaction);
    }
    writer.write(&topic, 0, &["a"]);
    assert_eq!(steps::keys(&steps::read_committed(&h, &topic, 0)), ["a"]);
}

/// Goal: an assignor that takes everything away at each join (`range`) works as well.
#[test]
fn an_eager_assignor_works() {
    let h = OnKafka { kafka: with(server::shared().brokers(), &[("partition.assignment.strategy", "range")]) };
    let topic = steps::topic(&h, "range-assignor", 2, &[]);
    Writer::new(&h, "range-assignor").write(&topic, 0, &["a", "b"]);
    let group = h.fresh_name("range-assignor");
    let mut first = steps::sole_member(&h, &group, &topic, 2);
    steps::insist(&h, "fetch_from answers", || first.member.fetch_from(0, 1));
    h.eventually("a record is read", || {
        first.turn();
        (!first.records.is_empty()).then_some(())
    });
    assert_eq!(steps::keys(&first.records), ["b"]);
    let mut second = Consumer::new(h.broker().member(&h.member_options(&group, &topic)).unwrap());
    h.eventually("each has one", || {
        first.turn();
        second.turn();
        (first.assigned.len() == 1 && second.assigned.len() == 1).then_some(())
    });
    first.member.leave().unwrap();
    h.eventually("who stays has both", || {
        second.turn();
        (second.assigned.len() == 2).then_some(())
    });
}

/// A member that was told its first partitions and has not answered.
fn unanswered(h: &OnKafka, group: &str, topic: &str) -> KafkaMember {
    let mut member = h.broker().member(&h.member_options(group, topic)).unwrap();
    h.eventually("partitions are given", || {
        match steps::settled(member.poll(steps::LIMIT, &mut Vec::new()))?.unwrap() {
            Polled::Assigned(_) => Some(()),
            _ => None,
        }
    });
    member
}

/// Goal: a member may leave while a change of assignment waits for it, and others do not wait for its session to end.
#[test]
fn a_member_leaves_with_a_change_unanswered() {
    let h = start();
    let topic = steps::topic(&h, "unanswered", 2, &[]);
    let group = h.fresh_name("unanswered");
    let member = unanswered(&h, &group, &topic);
    let started = Instant::now();
    member.leave().unwrap();
    steps::sole_member(&h, &group, &topic, 2);
    assert!(started.elapsed() < Duration::from_secs(5), "that was the session timeout: {:?}", started.elapsed());
}

/// Goal: dropping a member never hangs. Method: it has a change reported and not answered; librdkafka left alone would
/// wait for the answer for ever.
#[test]
fn a_member_is_dropped_with_a_change_unanswered() {
    let h = start();
    let topic = steps::topic(&h, "dropped-unanswered", 2, &[]);
    let member = unanswered(&h, &h.fresh_name("dropped-unanswered"), &topic);
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(member);
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(30)).expect("the member is gone");
}

/// Goal: after `kill -9` and restart of the broker what was committed is there once, and clients go on by themselves.
#[test]
fn clients_go_on_after_the_broker_was_killed() {
    let server = KafkaServer::start(KafkaServer::QUICK_RESTART);
    let h = OnKafka { kafka: Kafka::new(KafkaOptions::new(server.brokers())) };
    let topic = steps::topic(&h, "killed", 1, &[]);
    let mut writer = Writer::new(&h, "killed");
    let mut reader = steps::reader(&h, Isolation::ReadCommitted);
    steps::insist(&h, "assign answers", || reader.assign(&topic, 0, 0));
    writer.write(&topic, 0, &["before"]);
    let open = writer.open(&topic, 0, &["during"]);
    server.kill();
    server.restart();
    match writer.try_commit(open) {
        Ok(()) => {}
        Err((Some(open), _)) => {
            writer.abort(open);
            writer.write(&topic, 0, &["during"]);
        }
        // Truth is what is read back.
        Err((None, _)) => {
            let found = steps::keys(&steps::read_committed(&h, &topic, 0));
            if !found.contains(&"during".to_owned()) {
                writer.write(&topic, 0, &["during"]);
            }
        }
    }
    writer.write(&topic, 0, &["after"]);
    let mut records = Vec::new();
    h.eventually("the same reader reads on", || {
        match reader.poll(steps::LIMIT, &mut records) {
            Ok(Polled::Records) | Err(flowgate::broker::Error { action: Action::Retry, .. }) => {}
            other => panic!("{other:?}"),
        }
        (records.len() >= 3).then_some(())
    });
    assert_eq!(steps::keys(&records), ["before", "during", "after"]);
}

/// Goal: a reader that goes on with another client, for it has met too many topics, has every record once and in order: of a
/// topic that it reads all the time, and of those that it reads one after another.
#[test]
fn a_reader_that_has_met_many_topics() {
    let options = KafkaOptions { reader_topics: 3, ..KafkaOptions::new(server::shared().brokers()) };
    let h = OnKafka { kafka: Kafka::new(options) };
    let topics: Vec<String> = (0..9).map(|_| steps::topic(&h, "met", 1, &[])).collect();
    let (always, others) = topics.split_first().unwrap();
    let mut reader = steps::reader(&h, Isolation::ReadCommitted);
    steps::insist(&h, "assign answers", || reader.assign(always, 0, 0));
    let mut read = Vec::new();
    for (round, topic) in others.iter().enumerate() {
        for key in ["a", "b", "c"] {
            steps::publish(&h, always, key, "", None);
            steps::publish(&h, topic, key, "", None);
        }
        steps::insist(&h, "assign answers", || reader.assign_all(&[(topic.as_str().into(), 0, 0)]));
        read.extend(steps::read_some(&h, &mut reader, 6));
        assert_eq!(read.len(), 6 * (round + 1));
        reader.unassign(topic, 0).unwrap();
    }
    for topic in &topics {
        let of: Vec<_> = read.iter().filter(|record| *record.topic == **topic).cloned().collect();
        let rounds = if topic == always { others.len() } else { 1 };
        assert_eq!(steps::keys(&of), ["a", "b", "c"].repeat(rounds), "{topic}");
    }
}
