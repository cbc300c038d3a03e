//! `GET /api/v1/events`: what is new, as server-sent events.
//!
//! Each event has an id: a browser that has lost its connection sends the last one as `Last-Event-ID`, and goes on behind it, as
//! long as this process still has what came since. Who cannot go on is told so by `resync`: it has to ask for flows again.
//!
//! Nobody follows for longer than what let them in: the stream ends with the session, or with the token.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde_json::json;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Caller;
use super::flows::find;
use super::pulse::Streamed;
use super::query::Parameters;
use super::session::Ending;
use super::{Problem, Shared};
use crate::client::shown::audit_document;
use crate::config::Role;
use crate::flow::FlowId;
use crate::instance::News;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(events))
}

/// News that are looked at together: a flow among them that has changed several times is shown once.
const PIECE: usize = 100;

/// What is new, as it is committed: server-sent events.
///
/// `flow`: a flow as `GET /api/v1/flows/{id}` shows it. `flow-gone`: one that is known no more. `audit`: an event of the audit as it
/// stands in the topic. `resync`: something was missed; ask for flows again. A comment comes when nothing else did.
///
/// What a session follows ends with it: with `session-ended`, whose data is `{"reason": "logged-out"}` or `{"reason": "expired"}`, as the
/// last event; log in before you follow again. `{"reason": "revoked"}`: the token was taken away or got another role, which ends what is
/// followed with that token too. It ends without that, after a comment, when the cookie is about to end and the session is
/// not: whoever comes back with `Last-Event-ID`, as browsers do by themselves, gets a new cookie and misses nothing.
#[utoipa::path(
    get,
    path = "/api/v1/events", operation_id = "followEvents",
    tag = "flows",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was received.")),
    responses((status = 200, description = "Events, until the session ends; those of a token, until it is taken away.", body = String, content_type = "text/event-stream")),
)]
async fn events(
    State(shared): State<Shared>,
    caller: Caller,
    asked: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    asked.only(&[])?;
    let silence = shared.silence;
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    let reading = Reading::after(shared, caller, last);
    let events = stream::unfold(reading, |mut reading| async {
        let event = reading.next().await;
        event.map(|event| (Ok::<_, Infallible>(event), reading))
    });
    let mut answer = Sse::new(events).keep_alive(KeepAlive::new().interval(silence)).into_response();
    answer.extensions_mut().insert(Streamed);
    Ok(answer)
}

/// One who reads.
struct Reading {
    shared: Shared,
    caller: Caller,
    /// The last event was given out.
    is_over: bool,
    /// The number of the first news that it has not seen.
    next: u64,
    end: watch::Receiver<u64>,
    /// What is to be written before more is looked at.
    pending: VecDeque<Event>,
}

impl Reading {
    fn after(shared: Shared, caller: Caller, last: Option<&str>) -> Self {
        let end = shared.board.feed.end();
        let now = *end.borrow();
        let run = shared.board.feed.run.clone();
        let known = last.and_then(|id| id.strip_prefix(&run)?.strip_prefix('-')?.parse().ok());
        let (next, pending) = (known.unwrap_or(now), VecDeque::new());
        let mut reading = Self { shared, caller, is_over: false, next, end, pending };
        // Without data it is no event, but whoever loses the connection before the first one can go on from here.
        let first = match last {
            Some(_) if known.is_none() => reading.resync(),
            Some(_) => return reading,
            None => Event::default().id(reading.id(now)),
        };
        reading.pending.push_back(first);
        reading
    }

    /// The next event; `None`: nothing comes behind the last one, or the process ends.
    async fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        let caller = self.caller.clone();
        tokio::select! {
            // Nothing is told any more to whoever has logged out, though it waits to be written.
            biased;
            ending = caller.ends() => {
                self.is_over = true;
                Some(last(ending))
            }
            news = self.news() => news,
        }
    }

    /// What is new; `None`: the process ends.
    async fn news(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            let end = *self.end.borrow_and_update();
            match self.shared.board.feed.from(self.next, PIECE) {
                None => {
                    self.next = end;
                    let event = self.resync();
                    self.pending.push_back(event);
                }
                Some(news) if news.is_empty() => self.end.changed().await.ok()?,
                Some(news) => self.take(news),
            }
        }
    }

    fn take(&mut self, news: Vec<News>) {
        let mut seen: HashSet<FlowId> = HashSet::new();
        let (last, whole) = (self.next + news.len() as u64, self.caller.role >= Role::Operator);
        // From the newest on: of a flow the last change counts, and it is shown as it is now anyway.
        for (back, news) in news.into_iter().rev().enumerate() {
            let event = match news {
                News::Changed(id) if !seen.insert(id.clone()) => None,
                News::Changed(id) => self.flow(&id),
                News::Gone(id) => json(Event::default().event("flow-gone"), &json!({"flow_id": id})),
                News::Audit(told) => json(Event::default().event("audit"), &audit_document(&told.document, whole)),
            };
            let id = self.id(last - back as u64);
            self.pending.extend(event.map(|event| event.id(id)));
        }
        self.pending.make_contiguous().reverse();
        self.next = last;
    }

    /// The flow as it is now; nothing if it has gone: that is told too.
    fn flow(&self, id: &FlowId) -> Option<Event> {
        let view = find(&self.shared.board, id).ok().flatten()?;
        json(Event::default().event("flow"), &view)
    }

    fn resync(&self) -> Event {
        Event::default().event("resync").id(self.id(self.next)).data("{}")
    }

    /// The id of an event: where to go on behind it.
    fn id(&self, next: u64) -> String {
        format!("{}-{next}", self.shared.board.feed.run)
    }
}

/// What is told at the end.
fn last(ending: Ending) -> Event {
    let reason = match ending {
        Ending::Renewable => return Event::default().comment("come back for a new cookie"),
        Ending::LoggedOut => "logged-out",
        Ending::Expired => "expired",
        Ending::Revoked => "revoked",
    };
    Event::default().event("session-ended").data(format!("{{\"reason\":\"{reason}\"}}"))
}

fn json(event: Event, data: &impl serde::Serialize) -> Option<Event> {
    serde_json::to_string(data).ok().map(|data| event.data(data))
}
