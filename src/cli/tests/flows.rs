//! Flows as lists: what is chosen, in which order, and how each format shows it.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use super::schemas::judge;
use super::{Place, eventually};
use crate::broker::{Broker, Publication, Publisher};
use crate::cli::exit;
use crate::cli::screen::Screen;
use crate::client::states::Known;
use crate::clock;
use crate::flow::{Flow, FlowId, Keep, NewRecords, OnExpiry, Pause, PerKind, State};
use crate::schema::{Document, state};
use crate::time::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);

fn known(flow: Flow) -> Known {
    let document = state::write(&mut Document::new(flow.clone())).into();
    Known { flow, document, partition: 0 }
}

pub fn live(id: &str) -> Known {
    known(Flow::new(FlowId::new(id).unwrap(), Timestamp(0)))
}

/// A flow that holds so many enrolls.
pub fn paused(id: &str, held: u64, paused_at: Timestamp, resumes_at: Timestamp) -> Known {
    let mut flow = Flow::new(FlowId::new(id).unwrap(), paused_at);
    flow.state = State::Paused(Pause {
        id: format!("pause of {id}").replace(|c: char| !c.is_ascii_alphanumeric(), "-"),
        by_all: false,
        paused_at,
        resumes_at,
        new_records: NewRecords::Queue,
        keep: Keep::Latest,
        on_expiry: OnExpiry::Resume,
        expiry_rate: None,
        by: "ops@here".to_owned(),
        reason: Some("wrong coupon".to_owned()),
        warned: None,
    });
    flow.counts.queued = PerKind { enroll: held, advance: 0 };
    (flow.queue.next_entry, flow.queue.enrolls) = (held + 1, held);
    if held > 0 {
        (flow.queue.number, flow.queue.topic) = (1, Some("flow.queue.x.1".to_owned()));
    }
    known(flow)
}

/// Since three hours, for three days.
pub fn paused_now(id: &str, held: u64) -> Known {
    let now = clock::now();
    paused(id, held, now.before(HOUR * 3 + Duration::from_secs(20)), now.after(HOUR * 72 + Duration::from_secs(20)))
}

pub fn of(known: &Known) -> Value {
    known.json()
}

/// Events of a paused flow, seen to be held.
pub fn hold(place: &Place, flow: &str, records: usize) {
    for record in 0..records {
        place.event(flow, &format!("r{record}"));
    }
    let held = format!("held         {records} (");
    eventually("held", || place.good(&["flow", flow]).contains(&held));
}

/// Written as a gate would.
pub fn write(place: &Place, flows: &[Known]) {
    let mut publisher = place.memory.publisher().unwrap();
    for known in flows {
        let topic = place.settings.topics.state.as_str();
        let (key, value) = (Some(known.flow.id.as_str().as_bytes()), Some(&known.document[..]));
        publisher.publish(&Publication { topic, partition: None, timestamp: None, key, value, headers: &[] }).unwrap();
    }
    assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
}

/// Quotes, a newline, and a direction that is turned round.
const ODD: &str = "a,\"b\"\n\u{202e}c";

fn three(place: &Place) -> [Known; 3] {
    let flows = [paused_now("promo-1", 3), paused_now(ODD, 40), live("welcome")];
    write(place, &flows);
    flows
}

#[test]
fn a_table_a_wide_one_and_names() {
    let place = Place::new();
    assert_eq!(place.good(&["flows"]), "no flow is known under the prefix `flow`\n");
    three(&place);
    let rows = "a,\"b\"\\n\\u{202e}c  paused  40    3h   3d          ops@here\n\
                promo-1           paused  3     3h   3d          ops@here\n\
                welcome           live    0     -    -           -\n";
    let header = "FLOW              STATE   HELD  FOR  RESUMES IN  BY\n";
    assert_eq!(place.good(&["flows"]), format!("{header}{rows}"));
    let bare = "a,\"b\"\\n\\u{202e}c  paused  40  3h  3d  ops@here\n\
                promo-1           paused  3   3h  3d  ops@here\n\
                welcome           live    0   -   -   -\n";
    assert_eq!(place.good(&["flows", "--no-headers"]), bare);
    let wide = place.good(&["flows", "-o", "wide", "--match", "promo"]);
    let cells: Vec<Vec<&str>> =
        wide.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect()).collect();
    assert_eq!(cells[0].len(), 15);
    let start = ["promo-1", "paused", "3", " 3h".trim(), "3d", "ops@here", "3", "0", "0", "0", "0", "latest", "queue"];
    assert_eq!(cells[1][..13].iter().map(|cell| cell.trim()).collect::<Vec<_>>(), start);
    assert_eq!(cells[1][14].trim(), "wrong coupon");
    assert_eq!(place.good(&["flows", "-o", "name"]), "a,\"b\"\\n\\u{202e}c\npromo-1\nwelcome\n");
    assert_eq!(place.good(&["flow", ODD, "-o", "name"]), "a,\"b\"\\n\\u{202e}c\n");
    assert_eq!(place.good(&["flows", "--match", "nobody"]), "none of 3 flows is like that\n");
    assert_eq!(place.good(&["flows", "--match", "nobody", "-o", "json"]), "[]\n");
    assert_eq!(place.good(&["flows", "--match", "nobody", "-o", "name"]), "");
}

#[test]
fn documents_have_every_id_exactly() {
    let place = Place::new();
    three(&place);
    let all: Value = serde_json::from_str(&place.good(&["flows", "-o", "json"])).unwrap();
    judge("cli/flows", &all);
    assert_eq!((all.as_array().unwrap().len(), all[0]["flow_id"].as_str()), (3, Some(ODD)));
    let lines = place.good(&["flows", "-o", "jsonl"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::from(lines), all);
    let yaml = place.good(&["flows", "-o", "yaml"]);
    use saphyr::LoadableYamlNode as _;
    let yaml = saphyr::Yaml::load_from_str(&yaml).unwrap();
    assert_eq!(yaml.len(), 1, "one document");
    let first = yaml[0].as_sequence_get(0).unwrap();
    assert_eq!(first.as_mapping_get("flow_id").unwrap().as_str(), Some(ODD));
    assert_eq!(first.as_mapping_get("held").unwrap().as_mapping_get("total").unwrap().as_integer(), Some(40));
}

#[test]
fn csv_is_read_back_exactly_and_shows_terminals_no_escapes() {
    let place = Place::new();
    let [promo, ..] = three(&place);
    let text = place.good(&["flows", "-o", "csv"]);
    assert!(text.starts_with("flow_id,state,held,queued,"), "{text}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!((rows.len(), &rows[0][0], &rows[0][2]), (3, ODD, "40"));
    let State::Paused(pause) = &promo.flow.state else { panic!() };
    let (since, until) = (pause.paused_at.to_string(), pause.resumes_at.to_string());
    let row: Vec<&str> = rows[1].iter().collect();
    let expected = ["promo-1", "paused", "3", "3", "0", "0", "0", "0", "0", &since, &until, "ops@here"];
    assert_eq!(row[..12], expected);
    assert_eq!(row[12..17], ["wrong coupon", "queue", "latest", "resume", ""]);
    assert!(rows[2].iter().skip(9).take(8).all(str::is_empty), "{:?}", rows[2]);
    assert_eq!(place.good(&["flows", "-o", "csv", "--no-headers"]).lines().next(), Some("\"a,\"\"b\"\""));
    assert_eq!(place.good(&["flow", "welcome", "-o", "csv", "--no-headers"]).lines().count(), 1);

    let (screen, mut out) = (Screen::of_size((80, 24)), Vec::new());
    place.run_on(&screen, &["flows", "-o", "csv"], &mut out).unwrap();
    let shown = String::from_utf8(out).unwrap();
    assert!(shown.contains("\"a,\"\"b\"\"\\n\\u{202e}c\",paused") && shown.lines().count() == 4, "{shown}");
}

#[test]
fn flows_are_selected_and_sorted() {
    let place = Place::new();
    let now = clock::now();
    let at = |hours: u32| now.after(HOUR * hours);
    write(&place, &[paused("a", 5, now, at(3)), paused("b", 50, now, at(2)), paused("c", 5, now, at(1)), live("d")]);
    let names = |args: &[&str]| place.good(&[&["flows", "-o", "name"], args].concat()).replace('\n', "");
    assert_eq!(names(&[]), "abcd");
    assert_eq!(names(&["--sort", "id"]), "abcd");
    assert_eq!(names(&["--sort", "held"]), "bacd");
    assert_eq!(names(&["--sort", "resumes_at"]), "cbad");
    assert_eq!(names(&["--select", "state=paused,held>5"]), "b");
    assert_eq!(names(&["--select", "held>0", "--select", "resumes_in<150m", "--state", "paused"]), "bc");
    assert_eq!(names(&["--select", "match=?"]), "abcd");
}

#[test]
fn bad_values_name_the_field_and_what_would_be_right() {
    use clap::Parser as _;
    for (args, told) in [
        (
            &["flows", "--select", "held>many"][..],
            "invalid value 'held>many' for '--select <TERMS>': `held`: `many` is no number of events; write such as `held>0`",
        ),
        (
            &["flows", "--sort", "age"],
            "invalid value 'age' for '--sort <SORT>'\n  [possible values: held, resumes_at, id]",
        ),
        (&["flows", "-o", "xml"], "[possible values: table, wide, json, jsonl, yaml, csv, name]"),
        (&["pause", "a", "-o", "csv"], "[possible values: table, wide, json, jsonl, yaml]"),
    ] {
        let error = crate::cli::Cli::try_parse_from(["flowgate"].iter().chain(args)).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains(told), "{error}");
    }
    for format in ["json", "yaml"] {
        let failure = Place::new().run(&["flows", "--watch", "-o", format]).0.unwrap_err();
        assert_eq!(failure.code, exit::CONFIGURATION);
        assert!(failure.hint.unwrap().contains("-o jsonl"));
    }
}

/// What a command has written so far.
#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Ends the watching also when the test fails meanwhile: nobody would end it then.
struct End<'a>(&'a Screen);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Watches while `meanwhile` goes on; what was written.
fn watched(place: &Place, screen: &Screen, args: &[&str], meanwhile: impl FnOnce(&Written)) -> String {
    running(place, screen, &[&["flows", "--watch"], args].concat(), meanwhile)
}

/// Runs a command that has no end while `meanwhile` goes on, and ends it; what was written.
pub fn running(place: &Place, screen: &Screen, args: &[&str], meanwhile: impl FnOnce(&Written)) -> String {
    let written = Written::default();
    std::thread::scope(|scope| {
        let (mut out, end) = (written.clone(), End(screen));
        let running = scope.spawn(move || place.run_on(screen, args, &mut out));
        meanwhile(&written);
        drop(end);
        running.join().unwrap().unwrap();
    });
    written.text()
}

#[test]
fn changes_are_lines_where_no_terminal_is() {
    let place = Place::new();
    three(&place);
    let told = watched(&place, &Screen::default(), &["--select", "state=paused,match=promo*"], |written| {
        eventually("listed", || written.text().lines().count() == 2);
        write(&place, &[paused_now("promo-1", 7), live("other"), paused_now("promo-2", 1)]);
        eventually("changed", || written.text().lines().count() == 4);
        // No longer paused: shown once more, and then no more.
        write(&place, &[live("promo-1")]);
        eventually("live", || written.text().lines().count() == 5);
        write(&place, &[live("promo-1")]);
        place.forget("promo-2");
        eventually("forgotten", || written.text().contains("forgotten"));
    });
    let starts: Vec<String> =
        told.lines().map(|line| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect();
    let (paused, changed) = (["FLOW STATE HELD", "promo-1 paused 3"], ["promo-1 paused 7", "promo-2 paused 1"]);
    assert_eq!(starts[..2], paused);
    let mut both = starts[2..4].to_vec();
    both.sort();
    assert_eq!(both, changed);
    assert_eq!(starts[4..], ["promo-1 live 0", "promo-2 forgotten"]);

    let told = watched(&place, &Screen::default(), &["-o", "jsonl", "--match", "welcome"], |written| {
        eventually("listed", || written.text().lines().count() == 1);
        place.forget("welcome");
        eventually("forgotten", || written.text().lines().count() == 2);
    });
    told.lines().for_each(|line| judge("cli/change", &serde_json::from_str(line).unwrap()));
}

#[test]
fn a_terminal_shows_as_much_of_the_table_as_fits_and_draws_it_again() {
    let place = Place::new();
    three(&place);
    let screen = Screen::of_size((30, 5));
    let told = watched(&place, &screen, &["--sort", "held"], |written| {
        eventually("drawn", || written.text().contains("promo-1"));
        write(&place, &[paused_now("welcome", 99)]);
        eventually("drawn again", || written.text().contains("welcome"));
    });
    let (first, last) = (told.split("\u{1b}[1;1H").nth(1).unwrap(), told.split("\u{1b}[1;1H").last().unwrap());
    let lines = |drawn: &str| drawn.split("\u{1b}[K\r\n").map(str::to_owned).collect::<Vec<_>>();
    assert!(lines(first)[0].len() == 29 && lines(first)[0].starts_with("20"), "{first:?}");
    assert!(lines(first)[1].starts_with("FLOW "), "{first:?}");
    assert!(lines(first)[2].starts_with("a,\"b\"\\n\\u{202e}c  paused  4") && !first.contains("welcome"), "{first:?}");
    assert_eq!(lines(last).len(), 5, "{last:?}");
    assert!(lines(last)[2].starts_with("welcome") && !last.contains("promo-1"), "{last:?}");
}

/// Nobody reads any more.
pub struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let place = Place::new();
    three(&place);
    for format in ["table", "wide", "json", "jsonl", "yaml", "csv", "name"] {
        let failure = place.run_on(&Screen::default(), &["flows", "-o", format], &mut Closed).unwrap_err();
        assert_eq!(failure.code, 0, "{format}: {failure}");
    }
    let watching = place.run_on(&Screen::default(), &["flows", "--watch"], &mut Closed).unwrap_err();
    assert_eq!(watching.code, 0, "{watching}");
}
