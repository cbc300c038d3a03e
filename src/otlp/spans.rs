//! From what a turn has noted to spans, by the semantic conventions for messaging where these have a name for it.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, status::StatusCode};

use crate::schema::trace_parent::TraceParent;
use crate::time::Timestamp;
use crate::worker::{Fate, TracedCommand, TracedEvent, TracedTurn};

/// A turn links to so many of its events, and each of these to the turn.
const LINKS: usize = 128;

/// A span of somebody else's, or of ours, is pointed to from here: the flags of OTLP say that its context is known, and whether it
/// comes from elsewhere.
const SAMPLED: u32 = 1;
const IS_REMOTE_KNOWN: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// What all spans of a gate say of it.
#[derive(Clone, Debug)]
pub struct Names {
    pub instance: String,
    pub prefix: String,
    /// The consumer group of the gates.
    pub group: String,
    /// Where commands come from.
    pub control: String,
    /// Further attributes of the resource. They replace those that are always there.
    pub resource: Vec<(String, String)>,
}

/// Where a span of ours is.
#[derive(Clone, Copy)]
struct Place {
    trace_id: [u8; 16],
    span_id: [u8; 8],
}

impl Place {
    /// In the trace of the parent, or in one of its own.
    fn below(parent: Option<&TraceParent>) -> Self {
        Self { trace_id: parent.map_or_else(random, |parent| parent.trace_id), span_id: random() }
    }

    fn link(self) -> Link {
        let (trace_id, span_id) = (self.trace_id.to_vec(), self.span_id.to_vec());
        Link { trace_id, span_id, flags: SAMPLED | IS_REMOTE_KNOWN, ..Link::default() }
    }
}

/// An id: not zero, which would be none.
fn random<const N: usize>() -> [u8; N] {
    let mut id = [0; N];
    if getrandom::fill(&mut id).is_err() || id == [0; N] {
        // The system has no random bytes: equal ids confuse a trace, and nothing else.
        id[N - 1] = 1;
    }
    id
}

/// The spans of a turn: its own first.
pub fn of(turn: TracedTurn, names: &Names) -> Vec<Span> {
    let place = Place::below(None);
    let mut spans = vec![Span::default()];
    let mut links = Vec::new();
    for event in &turn.events {
        let own = Place::below(Some(&event.parent));
        links.push(own.link());
        spans.push(of_event(event, own, place, &turn, names));
    }
    for command in &turn.commands {
        let own = Place::below(command.parent.as_ref());
        links.push(own.link());
        spans.push(of_command(command, own, place, &turn, names));
    }
    let dropped = links.len().saturating_sub(LINKS);
    links.truncate(LINKS);
    spans[0] = Span {
        kind: SpanKind::Internal.into(),
        links,
        dropped_links_count: u32::try_from(dropped).unwrap_or(u32::MAX),
        attributes: vec![
            text("messaging.system", "kafka"),
            text("flowgate.turn", turn.name.as_str()),
            number("flowgate.worker", turn.worker as u64),
            number("flowgate.turn.delivered", turn.delivered),
            number("flowgate.turn.held", turn.held),
            number("flowgate.turn.released", turn.released),
        ],
        ..span("turn".to_owned(), place, None, turn.began, turn.ended)
    };
    spans
}

fn of_event(event: &TracedEvent, own: Place, of: Place, turn: &TracedTurn, names: &Names) -> Span {
    let operation = match event.fate {
        Fate::Delivered | Fate::Held | Fate::TurnedAway | Fate::Rerouted | Fate::DeadLettered => "process",
        Fate::Released | Fate::Replaced | Fate::Removed => "drain",
    };
    let mut attributes = messaging(operation, &event.topic, event.partition, event.offset, names);
    attributes.push(text("flowgate.fate", event.fate.word()));
    attributes.push(text("flowgate.turn", turn.name.as_str()));
    attributes.extend(event.flow.as_ref().map(|flow| text("flowgate.flow.id", flow.as_str())));
    if let Some(hold) = &event.hold {
        attributes.push(text("flowgate.pause.id", hold.pause.as_str()));
        attributes.push(number("flowgate.entry", hold.entry));
        attributes.push(text("flowgate.held.since", hold.since.to_string()));
        if event.fate != Fate::Held {
            let held = turn.ended.since(hold.since).as_secs_f64();
            attributes.push(attribute("flowgate.held.seconds", Value::DoubleValue(held)));
        }
    }
    Span {
        kind: SpanKind::Consumer.into(),
        links: vec![of.link()],
        attributes,
        ..span(format!("{operation} {}", event.topic), own, Some(&event.parent), turn.began, turn.ended)
    }
}

fn of_command(command: &TracedCommand, own: Place, of: Place, turn: &TracedTurn, names: &Names) -> Span {
    let mut attributes = messaging("apply", &names.control, 0, command.offset, names);
    attributes.extend([
        text("flowgate.command.id", command.id.as_str()),
        text("flowgate.command.action", command.action.as_str()),
        text("flowgate.command.verdict", command.verdict),
        text("flowgate.flow.id", command.flow.as_ref().map_or("*", |flow| flow.as_str())),
        number("flowgate.partition", u64::try_from(command.partition).unwrap_or(0)),
        text("flowgate.turn", turn.name.as_str()),
    ]);
    let is_rejected = command.verdict == "rejected";
    // The clock of whoever gave it may be ahead.
    let began = command.issued_at.min(turn.ended);
    Span {
        kind: SpanKind::Consumer.into(),
        links: vec![of.link()],
        attributes,
        status: is_rejected.then(|| Status { code: StatusCode::Error.into(), message: "rejected".to_owned() }),
        ..span(format!("apply {}", command.action), own, command.parent.as_ref(), began, turn.ended)
    }
}

fn span(name: String, own: Place, parent: Option<&TraceParent>, began: Timestamp, ended: Timestamp) -> Span {
    Span {
        trace_id: own.trace_id.to_vec(),
        span_id: own.span_id.to_vec(),
        parent_span_id: parent.map_or_else(Vec::new, |parent| parent.span_id.to_vec()),
        flags: SAMPLED | IS_REMOTE_KNOWN | if parent.is_some() { IS_REMOTE } else { 0 },
        name,
        start_time_unix_nano: nanoseconds(began),
        end_time_unix_nano: nanoseconds(ended.max(began)),
        ..Span::default()
    }
}

fn messaging(operation: &str, topic: &str, partition: i32, offset: i64, names: &Names) -> Vec<KeyValue> {
    vec![
        text("messaging.system", "kafka"),
        text("messaging.operation.name", operation),
        text("messaging.operation.type", "process"),
        text("messaging.destination.name", topic),
        text("messaging.destination.partition.id", partition.to_string()),
        text("messaging.consumer.group.name", names.group.as_str()),
        attribute("messaging.kafka.offset", Value::IntValue(offset)),
    ]
}

fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(1_000_000)
}

fn attribute(name: &str, value: Value) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(name: &str, value: impl Into<String>) -> KeyValue {
    attribute(name, Value::StringValue(value.into()))
}

fn number(name: &str, value: u64) -> KeyValue {
    attribute(name, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

impl Names {
    /// These spans, with what is said of all of them.
    pub(super) fn message(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let own = [
            ("service.name", "flowgate"),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", self.instance.as_str()),
            ("flowgate.prefix", self.prefix.as_str()),
        ];
        let own = own.into_iter().filter(|(name, _)| !self.resource.iter().any(|(given, _)| given == name));
        let given = self.resource.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let attributes = own.chain(given).map(|(name, value)| text(name, value)).collect();
        let scope = InstrumentationScope {
            name: "flowgate".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
        let resource = Some(Resource { attributes, ..Resource::default() });
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }
    }
}
