//! Paths that read topics for their answer: within bounds, a few at a time, with a reader of their own, on threads that serve nobody
//! else.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Caller;
use super::query::{Parameters, wrong};
use super::room::{READS, Room};
use super::seal::Seal;
use super::{Problem, Shared};
use crate::broker::{Code, Error};
use crate::client::meter::Meter;
use crate::client::scan::{Bound, First, Marks, Progress, Window};
use crate::clock::Clock;
use crate::config::Role;
use crate::duration;
use crate::instance::Reads;
use crate::schema::{Instant, read_time};
use crate::time::Timestamp;

/// What one answer looks through.
pub(super) const BOUND: Bound = Bound { records: 200_000, time: Duration::from_secs(8) };

/// On a page.
const LIMIT: usize = 50;
const MOST: usize = 1_000;

/// How far a page has looked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Looked {
    /// Offsets that were looked at for this page; markers and what was cleaned take some too.
    scanned: u64,
    /// Offsets that there are to be looked at, on all pages.
    total: u64,
    /// What to ask for `after` to get the page behind this one; null: nothing is left. There may be a next page though this one is
    /// not full: an answer looks through no more than 200,000 offsets, or 8 seconds.
    next: Option<String>,
    /// When it was looked.
    #[schema(value_type = String, format = DateTime)]
    as_of: Instant,
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    asked: String,
    marks: Marks,
}

const PURPOSE: &str = "place in topics";

/// A request for a page of what stands in topics.
pub(super) struct Look {
    pub window: Window,
    /// Path and parameters, but for those that may change from page to page.
    asked: String,
    seal: Arc<Seal>,
    clock: Clock,
}

impl Look {
    /// `path`: names what is looked at; `newest`: whether that comes first unless the request says otherwise.
    ///
    /// # Errors
    /// 400: a parameter is wrong.
    pub fn of(shared: &Shared, path: &str, asked: &Parameters, newest: bool) -> Result<Self, Problem> {
        let limit = asked.number("limit", 1..=MOST)?.unwrap_or(LIMIT);
        let first = asked.word("from", &[("newest", First::Newest), ("oldest", First::Oldest)])?;
        let first = first.unwrap_or(if newest { First::Newest } else { First::Oldest });
        let clock = shared.board.clock.clone();
        let since = asked.read("since", |text| moment(text, clock.now()))?;
        let text = format!("{path}\n{}", asked.but(&["limit", "after", "values"]));
        let from = asked.get("after").map(|after| {
            let cursor: Option<Cursor> = shared.seal.open(PURPOSE, after);
            let fitting = cursor.filter(|cursor| cursor.asked == text).map(|cursor| cursor.marks);
            fitting.ok_or_else(|| {
                let detail = "it is no cursor of this list; ask for `next` as it was given, with the other parameters \
                              unchanged, or for the first page";
                wrong("after", detail)
            })
        });
        let window = Window { first, limit, since, from: from.transpose()?, bound: BOUND, meter: Meter::default() };
        Ok(Self { window, asked: text, seal: Arc::clone(&shared.seal), clock })
    }

    pub fn looked(&self, progress: Progress, next: Option<Marks>) -> Looked {
        let Progress { scanned, total, .. } = progress;
        let next = next.map(|marks| self.seal.seal(PURPOSE, &Cursor { asked: self.asked.clone(), marks }));
        Looked { scanned, total, next, as_of: Instant(self.clock.now()) }
    }
}

/// `2h` ago, or a time.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Some(time) = read_time(text) {
        return Ok(time);
    }
    let ago = duration::parse(text)
        .map_err(|_| format!("`{text}` is neither a time such as 2026-03-01T02:03:04Z nor a duration such as 2h"))?;
    Ok(now.before(ago))
}

/// Whether values of events are asked for, and may be shown.
///
/// # Errors
/// 400; 403: a viewer may not see them.
pub(super) fn values(caller: &Caller, asked: &Parameters) -> Result<bool, Problem> {
    let wanted = asked.word("values", &[("false", false), ("true", true)])?.unwrap_or_default();
    if wanted {
        caller.needs(Role::Operator, "reading the values of events")?;
    }
    Ok(wanted)
}

/// Reads topics, off the thread that serves everybody, where there is room for it.
///
/// # Errors
/// 429 if the caller has enough of them under way; 503: the brokers do not answer, or it is too many for now.
pub(super) async fn read<T: Send + 'static>(
    shared: &Shared,
    caller: &Caller,
    look: impl FnOnce(&dyn Reads) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    read_in(&READS, shared, caller, look).await
}

/// The same in another room.
///
/// # Errors
/// As [`read`].
pub(super) async fn read_in<T: Send + 'static>(
    room: &'static Room,
    shared: &Shared,
    caller: &Caller,
    look: impl FnOnce(&dyn Reads) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let scan = caller.scan()?;
    let board = Arc::clone(&shared.board);
    let looked = room.work(move || {
        let _under_way = scan;
        board.reads().map(look)
    });
    match looked.await? {
        Some(looked) => looked.map_err(|error| unread(&error)),
        None => {
            let detail = "the gate is starting, and reaches no broker yet";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail).retry_after(1))
        }
    }
}

fn unread(error: &Error) -> Problem {
    if error.code == Code::Fenced {
        let detail =
            "another redrive of this prefix has begun, which ended this one; send the same again when that has ended";
        return Problem::new(StatusCode::CONFLICT, "fenced", detail);
    }
    let (kind, detail) = match error.code {
        Code::TimedOut => ("not-in-time", format!("{error}; try again, or ask for less")),
        _ => ("unreadable", format!("the brokers do not let it be read: {error}")),
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, detail).retry_after(1)
}
