//! From a request to commands, and from commands to their answers.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout, timeout_at};

use super::access::Caller;
use super::json::wrong_field;
use super::query::{Parameters, wrong};
use super::{Problem, Shared};
use crate::client::audited::Audited;
use crate::client::control::{Sent, new_id};
use crate::clock;
use crate::duration;
use crate::flow::{Action, Command, CommandId, Expect, Target};
use crate::instance::{Awaited, Stored, Unstored};
use crate::schema::body::{Expected, Ordered};
use crate::schema::command;
use crate::schema::trace_parent::{self, TraceParent};
use crate::time::Timestamp;

/// How long an answer is waited for, unless the request says otherwise.
const WAIT: Duration = Duration::from_secs(5);

/// The longest, within the time that a connection has for its answer.
const LONGEST: Duration = Duration::from_secs(15);

/// How long the storing may take, once it was handed in.
const STORE: Duration = Duration::from_secs(12);

/// How long a preview of every flow is good for.
const PREVIEW: Duration = Duration::from_secs(10 * 60);

const PURPOSE: &str = "preview of every flow";

/// What was shown of every flow, as a token.
#[derive(Serialize, Deserialize)]
pub(super) struct Shown {
    /// The action with its options, as JSON.
    order: String,
    /// In milliseconds since 1970.
    at: i64,
}

impl Shown {
    pub fn of(action: &Action, at: Timestamp) -> Self {
        Self { order: command::order(action), at: at.0 }
    }

    pub fn seal(&self, shared: &Shared) -> String {
        shared.seal.seal(PURPOSE, self)
    }
}

/// What a request says of all its commands.
pub(super) struct Issue {
    caller: Caller,
    id: CommandId,
    wait: Duration,
    /// Where in a trace the request comes from. One that is malformed is none.
    parent: Option<TraceParent>,
}

impl Issue {
    /// `known`: the parameters that the path takes.
    ///
    /// # Errors
    /// 400: the header or a parameter is wrong.
    pub fn of(caller: Caller, headers: &HeaderMap, asked: &Parameters, known: &[&str]) -> Result<Self, Problem> {
        asked.only(known)?;
        let wait = match asked.get("wait").map(duration::parse).transpose() {
            Ok(wait) => wait.unwrap_or(WAIT),
            Err(why) => return Err(wrong("wait", format!("{why}; `wait=5s` is one"))),
        };
        if wait > LONGEST {
            return Err(wrong("wait", format!("`wait` is at most {}", duration::show(LONGEST))));
        }
        let id = match headers.get("idempotency-key") {
            None => new_id("http"),
            Some(key) => {
                let id = key.to_str().map_err(|_| "has signs that are not ASCII".to_owned());
                let id = id.and_then(|text| CommandId::new(text).map_err(|why| why.to_string()));
                id.map_err(|why| {
                    let problem =
                        Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", format!("`Idempotency-Key` {why}"));
                    problem.with("field", "Idempotency-Key".into())
                })?
            }
        };
        let parent = headers.get(trace_parent::HEADER).and_then(|value| TraceParent::read(value.as_bytes()));
        Ok(Self { caller, id, wait, parent })
    }

    /// The command that an order makes.
    ///
    /// # Errors
    /// 403: the caller may not. 422: it is for the wrong target; `within`: where it stands in the body. 428: its sender has to
    /// have seen a preview.
    pub fn command(&self, shared: &Shared, target: Target, order: Ordered, within: &str) -> Result<Command, Problem> {
        // Nobody is sent to look at a preview of what they may not order.
        self.caller.may_give(&target, &order.action)?;
        let wrong_expect = |detail: &str| wrong_field(&format!("{within}expect"), format!("{within}expect {detail}"));
        let expect = match (&target, order.expect) {
            (Target::Flow(_), Expected::Flow(expect)) => expect,
            (Target::Flow(_), Expected::Nothing) if wants_preview(&order.action) => {
                return Err(no_preview(&order.action));
            }
            (Target::Flow(_), Expected::Nothing) => Expect::default(),
            (Target::Flow(_), Expected::Preview(_)) => {
                return Err(wrong_expect(
                    "is the token for every flow; send the object that the preview gave for this flow",
                ));
            }
            (Target::Every, _) if !matches!(order.action, Action::Pause(_) | Action::Resume(_)) => {
                let detail = format!("{within}action `{}` is for one flow, not for `*`", order.action.word());
                return Err(wrong_field(&format!("{within}action"), detail));
            }
            (Target::Every, Expected::Preview(token)) if is_shown(shared, &order.action, &token) => Expect::default(),
            (Target::Every, Expected::Flow(_)) => {
                return Err(wrong_expect("is about one flow; send the token that a preview of all flows gave"));
            }
            (Target::Every, Expected::Preview(_) | Expected::Nothing) => return Err(no_preview(&order.action)),
        };
        Ok(Command {
            id: self.id.clone(),
            target,
            action: order.action,
            issued_by: self.caller.name.to_string(),
            issued_at: Some(shared.board.clock.now()),
            reason: order.reason,
            expect,
        })
    }

    /// Stores the commands, and waits for their answers.
    ///
    /// # Errors
    /// 403, 429: the caller may not. 503: they could not be stored.
    pub async fn carry_out(&self, shared: &Shared, commands: Vec<Command>) -> Result<Vec<Sent>, Problem> {
        self.caller.may_order(&commands)?;
        let board = &shared.board;
        if !board.feed.is_heard() {
            return Err(not_stored(&self.id, &Unstored::Closed));
        }
        let mut awaited = board.feed.await_answers(&commands);
        let handed_in = board.desk.hand_in(commands.clone(), self.parent).map_err(|why| not_stored(&self.id, &why))?;
        let stored = match timeout(STORE, handed_in).await {
            Ok(Ok(Ok(stored))) => stored,
            Ok(Ok(Err(why))) => return Err(not_stored(&self.id, &why)),
            Ok(Err(_)) => return Err(not_stored(&self.id, &Unstored::Closed)),
            Err(_) => {
                return Err(not_stored(&self.id, &Unstored::Failed("no broker has stored it in time".to_owned())));
            }
        };
        let Stored { offsets, asked } = stored;
        let each = commands.into_iter().zip(offsets);
        let mut sent: Vec<Sent> = each.map(|(command, offset)| Sent::new(command, offset, asked)).collect();
        if !self.wait.is_zero() {
            collect(&mut sent, &mut awaited, Instant::now() + self.wait).await;
        }
        Ok(sent)
    }
}

async fn collect(sent: &mut [Sent], awaited: &mut Awaited, deadline: Instant) {
    while sent.iter().any(|sent| sent.outcome.is_none()) {
        let Ok(Some(told)) = timeout_at(deadline, awaited.next()).await else { return };
        let Audited::Gate(event) = &told.event else { continue };
        let target = event.flow.clone().map_or(Target::Every, Target::Flow);
        if let Some(sent) = sent.iter_mut().find(|sent| sent.command.target == target) {
            sent.hear(event);
        }
    }
}

/// What cannot be taken back has to have been shown.
fn wants_preview(action: &Action) -> bool {
    match action {
        Action::Purge(_) | Action::AcceptLoss(_) => true,
        Action::Pause(_) | Action::Resume(_) | Action::Release(_) | Action::Forget | Action::Invalid { .. } => false,
    }
}

fn is_shown(shared: &Shared, action: &Action, token: &str) -> bool {
    let shown: Option<Shown> = shared.seal.open(PURPOSE, token);
    shown.is_some_and(|shown| shown.order == command::order(action) && clock::now().0 - shown.at <= millis(PREVIEW))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn no_preview(action: &Action) -> Problem {
    let minutes = PREVIEW.as_secs() / 60;
    let detail = format!(
        "`{}` is asked about first: `POST /api/v1/previews` shows what it would do, and its `expect` goes into this order \
         (that for every flow within {minutes} minutes, and with the same options)",
        action.word()
    );
    Problem::new(StatusCode::PRECONDITION_REQUIRED, "preview-required", detail)
}

fn not_stored(id: &CommandId, why: &Unstored) -> Problem {
    let (kind, detail) = match why {
        Unstored::Closed => ("not-ready", format!("no command can be stored now: {why}")),
        Unstored::Full => ("overloaded", format!("no command can be stored now: {why}")),
        Unstored::Failed(_) => (
            "not-stored",
            format!("{why}; it may be stored all the same: sent again with `Idempotency-Key: {id}` it is applied once"),
        ),
    };
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, detail).retry_after(1);
    problem.with("command_id", id.as_str().into())
}
