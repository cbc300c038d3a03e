//! `POST /api/v1/redrives`: letters go back into the enrollments.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Caller;
use super::json::{self, wrong_field};
use super::looking::{read, read_in};
use super::problem::Document;
use super::query::Parameters;
use super::room::REDRIVES;
use super::{Problem, Shared};
use crate::client::letters::{Item, Kind, Wanted};
use crate::client::redrive::{Obstacle, Order, Report, Seen, Which};
use crate::clock;
use crate::flow::FlowId;
use crate::hex;
use crate::schema::command::MAX_REASON;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(redrive))
}

/// How long looking for the letters may take, within the time that a connection has for its answer.
const LOOK: Duration = Duration::from_secs(10);

/// Letters of one request: they are written within the time that is left.
const MOST: u64 = 20_000;

/// How long a preview is good for.
const PREVIEW: Duration = Duration::from_secs(10 * 60);

const PURPOSE: &str = "preview of a redrive";

/// Items that one request names, and obstacles that one answer tells.
const ITEMS: usize = 1_000;
const TOLD: usize = 100;

/// Which letters, and what becomes of them. Either `items`, or at least one of `flow_id`, `command` and `reason`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Redrive)]
struct Form {
    /// `dead` or `discarded`.
    kind: String,
    /// These letters: partition and offset of each, such as `3/58`.
    items: Option<Vec<String>>,
    /// All letters of this flow.
    flow_id: Option<String>,
    /// All letters that this purge or resume has discarded.
    command: Option<String>,
    /// All letters with this reason.
    reason: Option<String>,
    /// Letters too that were redriven before.
    #[serde(default)]
    again: bool,
    /// Of the only letter that is named: what its value is to be.
    edit: Option<String>,
    /// Why, for whoever reads the audit.
    because: Option<String>,
    /// What the answer without it has given: it is done, and only to the letters that were there.
    expect: Option<String>,
}

/// What a redrive would do, or has done.
#[derive(Debug, Serialize, ToSchema)]
struct Redriven {
    /// It was done. False: this is what would be.
    done: bool,
    /// How many letters were redriven, or would be.
    letters: u64,
    /// Bytes of their values.
    bytes: u64,
    /// How many of each flow, of the first 1,000 flows.
    flows: BTreeMap<String, u64>,
    /// How many more are like this, and cannot be redriven.
    stopped: u64,
    /// Why, of the first 100 of those.
    obstacles: Vec<ShownObstacle>,
    /// A sentence that says it.
    sentence: String,
    /// What to send with the same request to have it done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expect: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ShownObstacle {
    /// Partition and offset of the letter.
    item: String,
    /// `not_there`, `redriven_before`, `without_value`, `command`, `unreadable` or `refused`.
    obstacle: &'static str,
    /// In words.
    detail: String,
}

#[derive(Serialize, Deserialize)]
struct Token {
    /// Of what was asked for.
    asked: String,
    seen: Seen,
    /// In milliseconds since 1970.
    at: i64,
}

/// Puts letters back into the enrollments, as new events.
///
/// Without `expect` nothing is written: the answer says what would be, and gives the `expect` with which it is done. Every letter, and
/// what the audit tells of it, is one transaction with the event; so the same request, sent again after it was cut off, goes on where it was.
#[utoipa::path(post, path = "/api/v1/redrives", operation_id = "redriveLetters", tag = "letters", request_body = Form, responses(
    (status = 200, description = "What was done, or would be.", body = Redriven),
    (status = 409, description = "`fenced`: another redrive of this prefix has begun meanwhile; send the same again when that has ended.", body = Document, content_type = "application/problem+json"),
    (status = 422, description = "`wrong-field`, with the field; `too-many-letters`: name fewer.", body = Document, content_type = "application/problem+json"),
    (status = 428, description = "`preview-required`: the `expect` is too old, or of another request.", body = Document, content_type = "application/problem+json"),
))]
async fn redrive(
    State(shared): State<Shared>,
    caller: Caller,
    asked: Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Redriven>, Problem> {
    asked.only(&[])?;
    caller.may_redrive()?;
    let form: Form = json::read(&headers, &body)?;
    let fingerprint = form.fingerprint();
    let expect = form.expect.as_deref().map(|token| open(&shared, token, &fingerprint)).transpose()?;
    let order = form.order(&caller)?;
    let Some(seen) = expect else {
        let report = read(&shared, &caller, move |reads| reads.redrivable(&order, LOOK)).await?;
        too_many(&report)?;
        let token = Token { asked: fingerprint, seen: report.seen().clone(), at: clock::now().0 };
        let expect = (report.letters > 0).then(|| shared.seal.seal(PURPOSE, &token));
        return Ok(Json(Redriven::of(&report, &shared, expect, false)));
    };
    let done = read_in(&REDRIVES, &shared, &caller, move |reads| reads.redrive(&order, &seen)).await?;
    Ok(Json(Redriven::of(&done, &shared, None, true)))
}

fn open(shared: &Shared, token: &str, fingerprint: &str) -> Result<Seen, Problem> {
    let token: Option<Token> = shared.seal.open(PURPOSE, token);
    let age = |token: &Token| clock::now().0.saturating_sub(token.at);
    let fits = |token: &Token| {
        token.asked == fingerprint && i64::try_from(PREVIEW.as_millis()).is_ok_and(|most| age(token) <= most)
    };
    token.filter(fits).map(|token| token.seen).ok_or_else(|| {
        let detail =
            "this `expect` is of another request, or too old; send the request without it to see what it would do";
        Problem::new(StatusCode::PRECONDITION_REQUIRED, "preview-required", detail).with("field", "expect".into())
    })
}

fn too_many(report: &Report) -> Result<(), Problem> {
    if report.letters <= MOST {
        return Ok(());
    }
    let detail = format!(
        "{} letters are like this, and one request redrives {MOST} at most; narrow it, or use `flowgate redrive`",
        report.letters
    );
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too-many-letters", detail))
}

impl Form {
    /// Of everything but `expect`.
    fn fingerprint(&self) -> String {
        let Self { kind, items, flow_id, command, reason, again, edit, because, expect: _ } = self;
        let asked = format!("{:?}", (kind, items, flow_id, command, reason, again, edit, because));
        hex::write(&Sha256::digest(asked))
    }

    fn order(self, caller: &Caller) -> Result<Order, Problem> {
        let kind = match self.kind.as_str() {
            "dead" => Kind::Dead,
            "discarded" => Kind::Discarded,
            other => return Err(wrong_field("kind", format!("kind `{other}` is unknown; send dead or discarded"))),
        };
        let flow = self.flow_id.as_deref().map(FlowId::new).transpose();
        let flow = flow.map_err(|why| wrong_field("flow_id", format!("flow_id {why}")))?;
        let like = Wanted { flow, reason: self.reason, command: self.command };
        let is_like = like.flow.is_some() || like.reason.is_some() || like.command.is_some();
        let which = match (self.items, is_like) {
            (Some(items), false) => Which::Items(self::items(&items)?),
            (None, true) => Which::Like(like),
            _ => {
                let detail = "send either items, or at least one of flow_id, command and reason";
                return Err(wrong_field("items", detail));
            }
        };
        if self.edit.is_some() && !matches!(&which, Which::Items(items) if items.len() == 1) {
            return Err(wrong_field("edit", "edit is the value of one letter; name one in items"));
        }
        if self.because.as_ref().is_some_and(|text| text.len() > MAX_REASON) {
            return Err(wrong_field("because", format!("because has more than {MAX_REASON} bytes")));
        }
        let (by, edit) = (caller.name.to_string(), self.edit.map(bytes::Bytes::from));
        Ok(Order { kind, which, by, reason: self.because, again: self.again, edit })
    }
}

fn items(texts: &[String]) -> Result<Vec<Item>, Problem> {
    if texts.is_empty() || texts.len() > ITEMS {
        return Err(wrong_field("items", format!("items names {}; name 1 to {ITEMS}", texts.len())));
    }
    let read = texts.iter().enumerate().map(|(place, text)| {
        text.parse().map_err(|why| wrong_field(&format!("items[{place}]"), format!("items[{place}]: {why}")))
    });
    read.collect()
}

impl Redriven {
    fn of(report: &Report, shared: &Shared, expect: Option<String>, done: bool) -> Self {
        let told = |(item, obstacle): &(Item, Obstacle)| ShownObstacle {
            item: item.to_string(),
            obstacle: obstacle.word(),
            detail: obstacle.sentence(&shared.enrollments),
        };
        let flows = if report.flows.len() == 1 { "1 flow".to_owned() } else { format!("{} flows", report.flows.len()) };
        let mut sentence = format!("{}, into {flows}", report.told(done));
        if report.stopped > 0 {
            sentence.push_str(&format!("; {} more like this were not: `obstacles` says why", report.stopped));
        }
        Self {
            done,
            letters: report.letters,
            bytes: report.bytes,
            flows: report.flows.iter().map(|(flow, count)| (flow.to_string(), *count)).collect(),
            stopped: report.stopped,
            obstacles: report.obstacles.iter().take(TOLD).map(told).collect(),
            sentence,
            expect,
        }
    }
}
