//! Events of one redrive are one line, in both directions, and events of two are not.

use std::time::{Duration, Instant};

use crate::client::audited::{Audited, Told};
use crate::client::folded::{Fold, Following, Line};
use crate::client::scan::First;
use crate::flow::FlowId;
use crate::schema::Text;
use crate::schema::headers::Source;
use crate::schema::redriven::{Edit, Redriven};
use crate::time::Timestamp;

/// That a letter was redriven, so many seconds after the first one. The changes make it another one.
fn redriven(letter: i64, seconds: i64, change: impl FnOnce(&mut Redriven)) -> Told {
    let place = |topic: &str| Source { topic: topic.into(), partition: 0, offset: letter };
    let mut redriven = Redriven {
        flow: FlowId::new("welcome").unwrap(),
        partition: 0,
        at: Timestamp(1_800_000_000_000 + seconds * 1000),
        source: place("flow.discarded"),
        to: place("flow.enrollments"),
        by: "ops".into(),
        reason: None,
        edit: None,
    };
    change(&mut redriven);
    let event = Audited::Redriven(Box::new(redriven));
    Told { partition: 0, offset: seconds, event, document: bytes::Bytes::new(), ordered: None }
}

/// How many letters each line has.
fn folded(events: &[Told], first: First) -> Vec<u64> {
    let (mut fold, mut lines) = (Fold::new(first), Vec::new());
    let forwards = events.iter().cloned();
    let events: Vec<Told> = if first == First::Oldest { forwards.collect() } else { forwards.rev().collect() };
    events.into_iter().for_each(|told| fold.add(told, &mut lines));
    lines.extend(fold.close());
    let mut counts: Vec<u64> = lines.iter().map(count).collect();
    if first == First::Newest {
        counts.reverse();
    }
    counts
}

fn count(line: &Line) -> u64 {
    match line {
        Line::Event(_) => 1,
        Line::Redrive(run) => run.letters,
    }
}

fn plain(letter: i64, seconds: i64) -> Told {
    redriven(letter, seconds, |_| ())
}

#[test]
fn one_line_has_the_letters_of_one_redrive() {
    let edit = || Edit { before: None, after: Text::of(b"x") };
    let cases: [(&str, Vec<Told>, &[u64]); 9] = [
        ("nothing", vec![], &[]),
        ("one", vec![plain(1, 0)], &[1]),
        ("a redrive", vec![plain(1, 0), plain(2, 0), plain(5, 60)], &[3]),
        ("later", vec![plain(1, 0), plain(2, 61)], &[1, 1]),
        ("the same letters again", vec![plain(1, 0), plain(2, 0), plain(1, 1), plain(2, 1)], &[2, 2]),
        ("another flow", vec![plain(1, 0), redriven(2, 0, |told| told.flow = FlowId::new("b").unwrap())], &[2]),
        ("another person", vec![plain(1, 0), redriven(2, 0, |told| told.by = "eve".into())], &[1, 1]),
        ("another reason", vec![plain(1, 0), redriven(2, 0, |told| told.reason = Some("why".into()))], &[1, 1]),
        ("another value", vec![plain(1, 0), redriven(2, 0, |told| told.edit = Some(edit())), plain(3, 0)], &[1, 1, 1]),
    ];
    for (name, events, counts) in cases {
        assert_eq!(folded(&events, First::Oldest), counts, "{name}");
        assert_eq!(folded(&events, First::Newest), counts, "{name}, backwards");
    }
    let other = redriven(2, 0, |told| told.source.topic = "flow.dead-letters".into());
    assert_eq!(folded(&[plain(1, 0), other], First::Oldest), [1, 1]);
}

#[test]
fn a_line_knows_its_first_and_its_last_event_whatever_comes_first() {
    for first in [First::Oldest, First::Newest] {
        let (mut fold, mut lines) = (Fold::new(first), Vec::new());
        let mut events = vec![plain(1, 0), plain(2, 5), plain(3, 9)];
        if first == First::Newest {
            events.reverse();
        }
        events.into_iter().for_each(|told| fold.add(told, &mut lines));
        assert!(lines.is_empty() && fold.is_open());
        let Some(Line::Redrive(run)) = fold.close() else { panic!("{lines:?}") };
        assert_eq!((run.first.offset, run.last.offset, run.items[&0]), (0, 9, (1, 3)));
        assert!(!fold.is_open() && !run.is_cut);
    }
}

/// Goal: a line is held back while its redrive goes on, and no longer than two seconds. Method: the time is what the test says.
#[test]
fn a_line_is_held_back_for_a_moment() {
    let begin = Instant::now();
    let (mut following, mut letter) = (Following::default(), 0);
    let mut hear = |events: i64, millis: u64| {
        let told = (letter..letter + events).map(|letter| plain(letter, 0)).collect();
        letter += events;
        let lines = following.hear(told, begin + Duration::from_millis(millis));
        lines.iter().map(count).collect::<Vec<_>>()
    };
    assert_eq!(hear(500, 0), [0; 0]);
    assert_eq!(hear(0, 499), [0; 0]);
    assert_eq!(hear(0, 500), [500], "nothing came for half a second");
    assert_eq!(hear(0, 9_000), [0; 0]);
    for (millis, shown) in
        [(10_000, vec![]), (10_400, vec![]), (10_800, vec![]), (11_200, vec![]), (11_600, vec![]), (12_000, vec![60])]
    {
        assert_eq!(hear(10, millis), shown, "{millis}");
    }
    assert_eq!(hear(10, 12_100), [0; 0]);
    assert_eq!(following.end().iter().map(count).collect::<Vec<_>>(), [10], "what was held back is not lost");
}
