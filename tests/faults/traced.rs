//! Traces of a gate on real Kafka, at a collector of the test's own.
#![cfg(feature = "otlp")]

use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use flowgate::broker::{Broker, Header, Publication, Publisher};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

use crate::PATIENCE;
use crate::company::{Company, Gate, happened, is_live, is_paused};
use crate::issuer::{Served, exchange, listen, replace};
use crate::process::{eventually, flowgate};

/// Takes spans of whoever knows the secret.
struct Collector {
    served: Served,
    taken: Arc<Mutex<Vec<(ExportTraceServiceRequest, String)>>>,
}

impl Collector {
    fn start(port: u16) -> Self {
        let taken = Arc::<Mutex<Vec<_>>>::default();
        let takes = Arc::clone(&taken);
        let serve = move |stream: TcpStream| {
            exchange(stream, |head, body| {
                assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
                takes.lock().unwrap().push((ExportTraceServiceRequest::decode(body).unwrap(), head.to_owned()));
                (200, Vec::new())
            });
        };
        Self { served: Served::start(listen(port), serve), taken }
    }

    fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap();
        let scopes = taken.iter().flat_map(|(request, _)| &request.resource_spans).flat_map(|of| &of.scope_spans);
        scopes.flat_map(|of| of.spans.clone()).collect()
    }

    /// The spans with this attribute.
    fn with(&self, name: &str, value: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| attribute(&span.attributes, name).as_deref() == Some(value)).collect()
    }

    fn heads(&self) -> String {
        self.taken.lock().unwrap().iter().map(|(_, head)| head.as_str()).collect()
    }
}

fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == name)?;
    Some(match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    })
}

const MALFORMED: &str = "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e47";
const SPAN: [u8; 8] = [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 2, 0xb7];

fn parent(trace: u8) -> String {
    format!("00-{TRACE}{trace:02x}-00f067aa0ba902b7-01")
}

fn send(company: &Company, record: u32, parent: &str) {
    let mut publisher = company.kafka.publisher().unwrap();
    let value = format!(r#"{{"flow_id":"welcome","record_id":"r{record}"}}"#);
    let headers = [Header::new("traceparent", parent.to_owned()), Header::new("tracestate", "crm=1")];
    let (topic, key, value) = (&company.topics.enrollments, Some(b"welcome".as_slice()), Some(value.as_bytes()));
    publisher.publish(&Publication { topic, partition: None, timestamp: None, key, value, headers: &headers }).unwrap();
    assert!(publisher.flush(PATIENCE).unwrap().iter().all(Result::is_ok));
}

fn count(gate: &Gate, outcome: &str) -> u64 {
    let metrics = gate.metrics().unwrap_or_default();
    let start = format!("flowgate_trace_spans_total{{outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap_or(0)
}

/// Goal: an event with a trace passes live, another one is held and drained, and a command is given within a trace: the collector gets
/// spans with their trace ids, parents, links and attributes; a malformed header makes none; all of them go downstream as they came. The
/// collector goes away: events flow, what is lost is counted, and it is told. Headers for it are replaced while the gate runs. At the end
/// what is left is sent.
#[test]
fn a_trace_goes_through_the_gate() {
    let company = Company::new("traced", 2);
    let collector = Collector::start(0);
    let port = collector.served.port;
    let folder = tempfile::tempdir().unwrap();
    let headers = folder.path().join("headers");
    replace(&headers, "authorization=Bearer first-hunter2-4711\n");
    let settings = [
        format!("otlp.endpoint=http://127.0.0.1:{port}"),
        format!("otlp.headers_file={}", headers.display()),
        "otlp.resource=deployment.environment.name=test".to_owned(),
        "log.level=trace".to_owned(),
    ];
    let gate = company.gate("a", &settings.each_ref().map(String::as_str)).restored();

    send(&company, 1, &parent(1));
    send(&company, 2, MALFORMED);
    eventually("a live event has a span", || !collector.with("flowgate.fate", "delivered").is_empty());
    let [live] = &collector.with("flowgate.fate", "delivered")[..] else { panic!("{:?}", collector.spans()) };
    assert_eq!((live.trace_id[15], live.trace_id[0], live.parent_span_id.as_slice()), (1, 0x4b, SPAN.as_slice()));
    assert!(live.name == "process traced.enrollments" && live.kind == i32::from(SpanKind::Consumer), "{live:?}");
    let has = |span: &Span, name: &str| attribute(&span.attributes, name);
    for (name, value) in [
        ("messaging.system", "kafka"),
        ("messaging.destination.name", "traced.enrollments"),
        ("messaging.operation.type", "process"),
        ("flowgate.flow.id", "welcome"),
        ("messaging.kafka.offset", "0"),
    ] {
        assert_eq!(has(live, name).as_deref(), Some(value), "{live:?}");
    }
    // Its turn links to it, and it to its turn.
    let turns = collector.spans().into_iter().filter(|span| span.name == "turn").collect::<Vec<_>>();
    let turn = turns.iter().find(|turn| turn.links.iter().any(|link| link.span_id == live.span_id)).unwrap();
    assert!(live.links[0].span_id == turn.span_id && live.links[0].trace_id == turn.trace_id, "{turn:?}");
    assert!(turn.start_time_unix_nano <= turn.end_time_unix_nano && turn.parent_span_id.is_empty());
    {
        let taken = collector.taken.lock().unwrap();
        let resource = taken[0].0.resource_spans[0].resource.as_ref().unwrap();
        let has = |name: &str| attribute(&resource.attributes, name);
        assert_eq!(
            (has("service.name").as_deref(), has("service.instance.id").as_deref()),
            (Some("flowgate"), Some("a"))
        );
        assert_eq!(has("deployment.environment.name").as_deref(), Some("test"));
    }
    assert!(collector.heads().contains("Bearer first-hunter2-4711"));

    // A command within a trace, and one without.
    let mut pause = flowgate(&crate::server::shared().brokers(), "traced", &["pause", "welcome", "--timeout", "120s"]);
    assert!(pause.env("TRACEPARENT", parent(2)).output().unwrap().status.success());
    company.until("paused", "welcome", is_paused);
    eventually("the command has a span", || !collector.with("flowgate.command.action", "pause").is_empty());
    let command = collector.with("flowgate.command.action", "pause").remove(0);
    assert_eq!((command.trace_id[15], command.name.as_str()), (2, "apply pause"), "{command:?}");
    assert_eq!(has(&command, "flowgate.command.verdict").as_deref(), Some("applied"));
    send(&company, 3, &parent(3));
    eventually("a held event has a span", || !collector.with("flowgate.fate", "held").is_empty());
    let held = collector.with("flowgate.fate", "held").remove(0);
    let pause_id = has(&held, "flowgate.pause.id").unwrap();
    assert_eq!((held.trace_id[15], held.parent_span_id.as_slice()), (3, SPAN.as_slice()));

    // The collector is gone: what it misses is counted, and nobody waits.
    let before = collector.spans();
    drop(collector);
    company.order(&["resume", "welcome", "--wait"]);
    company.until("live", "welcome", is_live);
    (10..20).for_each(|record| send(&company, record, &parent(4)));
    company.until_all_is_read();
    eventually("what is lost is counted", || count(&gate, "dropped") > 0);
    assert!(gate.get("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.0 200")));
    assert!(gate.log().contains("the collector takes no spans of traces"), "{}", gate.log());

    // It comes back, and wants another header.
    replace(&headers, "authorization=Bearer second-hunter2-4712\n");
    eventually("read again", || gate.log().contains("were read again"));
    let collector = Collector::start(port);
    let (mut record, mut is_there) = (100, false);
    eventually("spans arrive again", || {
        record += 1;
        send(&company, record, &parent(5));
        is_there |= !collector.with("flowgate.fate", "delivered").is_empty();
        is_there
    });
    assert!(collector.heads().contains("Bearer second-hunter2-4712"));

    company.order(&["pause", "welcome"]);
    send(&company, 4, &parent(6));
    company.until_all_is_read();
    company.order(&["resume", "welcome", "--wait"]);
    let exported = |fate: &str, trace: u8| {
        collector.with("flowgate.fate", fate).into_iter().find(|span| span.trace_id[15] == trace)
    };
    eventually("a drained event has a span", || exported("released", 6).is_some());
    let released = exported("released", 6).unwrap();
    assert!(released.name == "drain traced.enrollments" && released.parent_span_id == SPAN, "{released:?}");
    assert!(has(&released, "flowgate.held.seconds").unwrap().parse::<f64>().unwrap() > 0.0);
    assert!(has(&released, "flowgate.pause.id").is_some_and(|id| id != pause_id));

    // The last one is sent by the stop.
    send(&company, 5, &parent(7));
    company.until_all_is_read();
    let log = gate.stop();
    assert!(exported("delivered", 7).is_some(), "{log}");
    assert!(!log.contains("hunter2-471"), "a header came out: {log}");
    let all = [before, collector.spans()].concat();
    // The malformed one came right behind the first.
    let place =
        |span: &Span| ["messaging.destination.name", "messaging.destination.partition.id"].map(|name| has(span, name));
    let is_malformed =
        |span: &&Span| place(span) == place(live) && has(span, "messaging.kafka.offset").as_deref() == Some("1");
    assert_eq!(all.iter().find(is_malformed), None);

    let records = company.log().records;
    let of = |record: &str| {
        let record = records.iter().find(|of| {
            of.value
                .as_deref()
                .is_some_and(|value| std::str::from_utf8(value).unwrap().contains(&format!("\"{record}\"")))
        });
        let headers = &record.unwrap().headers;
        let value = |name: &str| {
            headers.iter().find(|(given, _)| given == name.as_bytes()).and_then(|(_, value)| value.clone())
        };
        [value("traceparent"), value("tracestate")].map(|value| value.map(|value| String::from_utf8(value).unwrap()))
    };
    for (record, parent) in [("r1", parent(1)), ("r2", MALFORMED.to_owned()), ("r3", parent(3)), ("r4", parent(6))] {
        assert_eq!(of(record), [Some(parent), Some("crm=1".to_owned())], "{record}");
    }
    happened("a collector goes away", 1, 1, &company.check());
}
