//! The gate's headers go behind whatever an upstream sends, and what they say is read back.

use std::time::Duration;

use flowgate::broker::{Header, Record};
use flowgate::schema::Reason;
use flowgate::schema::headers::{self, Discarded, Released, Releases, Source};

use super::End;
use super::take::Take;

pub fn check(bytes: &[u8]) -> End {
    if let Some(source) = std::str::from_utf8(bytes).ok().and_then(Source::parse) {
        assert_eq!(Source::parse(&source.to_string()), Some(source));
    }
    let mut take = Take(bytes);
    let pick = usize::from(take.byte());
    let record = take.record("flow.enrollments");
    let text = String::from_utf8_lossy(take.0);

    let reason = Reason::ALL[pick % Reason::ALL.len()];
    let dead = headers::dead_letter(&record, reason, &text);
    last(
        &record,
        &dead,
        &[(headers::REASON, reason.word()), (headers::DETAIL, &text), (headers::SOURCE, &source(&record))],
    );

    let why = Discarded::ALL[pick % Discarded::ALL.len()];
    let discarded = headers::discarded(&record.headers, why, &text, &Source::of(&record), record.timestamp);
    let timestamp = record.timestamp.0.to_string();
    last(&record, &discarded, &[(headers::REASON, why.word()), (headers::TIMESTAMP, &timestamp)]);

    let release = Released::ALL[pick % Released::ALL.len()];
    // The second time the texts are there already; the third time they are others.
    let mut releases = Releases::default();
    for (pause_id, held, held_ms) in [(&*text, 9, "9"), (&text, 9, "9"), ("p", 10, "10")] {
        let released = releases.headers(&record.headers, release, pause_id, Duration::from_millis(held));
        last(
            &record,
            &released,
            &[(headers::RELEASE, release.word()), (headers::PAUSE_ID, pause_id), (headers::HELD_MS, held_ms)],
        );
    }
    End::Understood
}

fn source(record: &Record) -> String {
    format!("{}/{}/{}", record.topic, record.partition, record.offset)
}

/// The upstream's own come first and unchanged, and the last one of a name is the gate's.
fn last(record: &Record, written: &[Header], ours: &[(&str, &str)]) {
    assert_eq!(written[..record.headers.len()], record.headers);
    let record = Record { headers: written.to_vec(), ..record.clone() };
    for (name, value) in ours {
        assert_eq!(record.last_header(name).unwrap().value.as_deref(), Some(value.as_bytes()), "{name}");
    }
}
