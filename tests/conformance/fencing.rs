//! Who may still write.

use flowgate::broker::{Action, Code, Error, Member, ProducerOptions, Transaction};

use super::Harness;
use super::steps::{self, Consumer, Writer};

/// Method: a second producer of the same id is made while the first has a transaction open; then the first commits.
pub fn a_new_producer_fences_the_old_one<H: Harness>(h: &H) {
    let topic = steps::topic(h, "fenced", 1, &[]);
    let mut old = Writer::new(h, "fenced");
    let open = old.open(&topic, 0, &["old"]);
    let mut new = Writer::with(h, old.options.clone());
    let refused = old.try_commit(open).map_err(|(transaction, error)| (transaction.is_none(), error));
    assert!(matches!(refused, Err((true, Error { code: Code::Fenced, action: Action::Rebuild, .. }))), "{refused:?}");
    new.write(&topic, 0, &["new"]);
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["new"]);
    assert_eq!(steps::keys(&steps::read_uncommitted(h, &topic, 0)), ["old", "new"]);
}

/// A producer that has nothing open is fenced too, at the latest when it commits something.
pub fn an_idle_producer_is_fenced<H: Harness>(h: &H) {
    let topic = steps::topic(h, "idle", 1, &[]);
    let mut old = Writer::new(h, "idle");
    old.write(&topic, 0, &["before"]);
    let handle = old.topic(&topic);
    let _new = Writer::with(h, old.options.clone());
    let mut transaction = old.begin();
    let error = match transaction.send(&steps::outgoing(handle, 0, Some(b"old"), None), 1) {
        Err(error) => error,
        Ok(()) => {
            h.eventually("the fenced producer's record is decided", || {
                (transaction.flush(steps::LIMIT.wait).in_flight == 0).then_some(())
            });
            old.try_commit(transaction).map_err(|(_, error)| error).unwrap_err()
        }
    };
    assert_eq!((error.code, error.action), (Code::Fenced, Action::Rebuild), "{error:?}");
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["before"]);
}

/// Asking changes nothing: neither a record nor an offset, and the producer goes on.
pub fn a_producer_knows_whether_it_is_the_newest<H: Harness>(h: &H) {
    let topic = steps::topic(h, "newest", 1, &[]);
    let group = h.fresh_name("newest");
    let mut consumer = steps::sole_member(h, &group, &topic, 1);
    let mut old = Writer::new(h, "newest");
    for round in 0..3 {
        old.prove(&group, &topic).unwrap();
        old.write(&topic, 0, &[["a", "b", "c"][round]]);
    }
    assert_eq!(steps::committed(h, &mut consumer.member, &[0]), [None]);
    let mut new = Writer::with(h, old.options.clone());
    let fenced = old.prove(&group, &topic).unwrap_err();
    assert_eq!((fenced.action, fenced.code), (Action::Rebuild, Code::Fenced), "{fenced:?}");
    // Being asked fences nobody.
    new.prove(&group, &topic).unwrap();
    new.write(&topic, 0, &["d"]);
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["a", "b", "c", "d"]);
    let group = consumer.member.group().unwrap();
    let mut transaction = new.begin();
    steps::send_offsets(h, &mut transaction, &[steps::offset(&topic, 0, 4, "m")], &group).unwrap();
    new.commit(transaction);
}

/// The owner died with a transaction open: the next producer of its id ends it, without waiting for its timeout.
pub fn a_new_producer_takes_over_an_open_transaction<H: Harness>(h: &H) {
    let topic = steps::topic(h, "takeover", 1, &[]);
    let options = {
        let mut old = Writer::new(h, "takeover");
        drop(old.open(&topic, 0, &["old"]));
        old.options
    };
    steps::publish(h, &topic, "behind", "v", None);
    assert_eq!(steps::stable_offset(h, &topic, 0), 0);
    let started = h.now();
    let mut new = Writer::with(h, options);
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["behind"]);
    assert!(h.now().since(started) < new.options.transaction_timeout, "that was the timeout");
    new.write(&topic, 0, &["new"]);
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["behind", "new"]);
}

/// Nobody takes over: the broker aborts the transaction by its own clock, and its producer cannot commit any more.
pub fn a_transaction_left_open_times_out<H: Harness>(h: &H) {
    let topic = steps::topic(h, "timeout", 1, &[]);
    let options = ProducerOptions::new(h.fresh_name("timeout"), h.short_transaction_timeout());
    let mut writer = Writer::with(h, options);
    let open = writer.open(&topic, 0, &["late"]);
    steps::publish(h, &topic, "behind", "v", None);
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["behind"]);
    let (transaction, error) = writer.try_commit(open).unwrap_err();
    assert!(transaction.is_none(), "a timed-out transaction is fatal for its producer: {error:?}");
    assert!(matches!(error.code, Code::Fenced | Code::TransactionTimedOut), "{error:?}");
    // A new producer of that id works.
    Writer::with(h, writer.options.clone()).write(&topic, 0, &["again"]);
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["behind", "again"]);
}

/// Two members, the first one's metadata from before the second joined.
struct Zombie<H: Harness> {
    input: String,
    before: flowgate::broker::GroupMetadata,
    first: Consumer<steps::MemberOf<H>>,
    second: Consumer<steps::MemberOf<H>>,
}

fn zombie<H: Harness>(h: &H, case: &str) -> Zombie<H> {
    use flowgate::broker::Broker;
    let input = steps::topic(h, case, 2, &[]);
    let group = h.fresh_name(case);
    let mut first = steps::sole_member(h, &group, &input, 2);
    let before = first.member.group().unwrap();
    let mut second = Consumer::new(h.broker().member(&h.member_options(&group, &input)).unwrap());
    h.eventually("each member has a partition", || {
        first.turn();
        second.turn();
        (first.assigned.len() == 1 && second.assigned.len() == 1).then_some(())
    });
    Zombie { input, before, first, second }
}

/// A transaction that carries offsets under an old generation is refused, and under the new one accepted.
pub fn an_old_generation_is_fenced<H: Harness>(h: &H) {
    let mut zombie = zombie::<H>(h, "generation");
    let output = steps::topic(h, "generation-out", 1, &[]);
    let mut writer = Writer::new(h, "generation");
    let kept = zombie.first.assigned[0];
    let offsets = [steps::offset(&zombie.input, kept, 7, "m")];
    let mut transaction = writer.open(&output, 0, &["stale"]);
    let refused = steps::send_offsets(h, &mut transaction, &offsets, &zombie.before).unwrap_err();
    assert_eq!((refused.action, refused.code), (Action::Abort, Code::StaleGeneration), "{refused:?}");
    writer.abort(transaction);

    // The group may go through one more generation after the last partition has moved: the metadata follows it.
    h.eventually("fresh metadata is accepted", || {
        zombie.first.turn();
        zombie.second.turn();
        let mut transaction = writer.open(&output, 0, &["fresh"]);
        let group = zombie.first.member.group().unwrap();
        match steps::send_offsets(h, &mut transaction, &offsets, &group) {
            Ok(()) => {
                writer.commit(transaction);
                Some(())
            }
            Err(error) => {
                assert_eq!(error.code, Code::StaleGeneration, "{error:?}");
                writer.abort(transaction);
                None
            }
        }
    });
    assert_eq!(steps::keys(&steps::read_committed(h, &output, 0)), ["fresh"]);
    let committed = steps::committed(h, &mut zombie.first.member, &[kept]);
    assert_eq!(committed[0].as_ref().map(|committed| committed.offset), Some(7));
}

/// The same zombie without offsets succeeds: that is why every turn carries them.
pub fn without_offsets_no_generation_fences<H: Harness>(h: &H) {
    let zombie = zombie::<H>(h, "unfenced");
    let output = steps::topic(h, "unfenced-out", 1, &[]);
    Writer::new(h, "unfenced").write(&output, 0, &["zombie"]);
    assert_eq!(steps::keys(&steps::read_committed(h, &output, 0)), ["zombie"]);
    drop(zombie);
}

/// A topic handle works for the producer that made it and for no other.
pub fn a_foreign_topic_handle_is_refused<H: Harness>(h: &H) {
    let topic = steps::topic(h, "foreign", 1, &[]);
    let (mut mine, mut other) = (Writer::new(h, "mine"), Writer::new(h, "other"));
    // Both have a first handle: taken for the other's, it would name the right topic.
    mine.topic(&topic);
    let handle = other.topic(&topic);
    let mut transaction = mine.begin();
    let refused = transaction.send(&steps::outgoing(handle, 0, Some(b"k"), None), 1).unwrap_err();
    assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
    mine.abort(transaction);
}
