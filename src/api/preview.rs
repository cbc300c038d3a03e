//! What a command would do, from the committed states.

use std::num::NonZeroU64;
use std::ops::{Bound, ControlFlow};

use serde::Serialize;
use utoipa::ToSchema;

use super::json::wrong_field;
use super::orders::Shown;
use super::view::not_yet;
use super::{Problem, Shared};
use crate::client::preview::{self, Looked, held_since};
use crate::client::rates::divide;
use crate::client::select::Selection;
use crate::client::states::Progress;
use crate::clock;
use crate::flow::{Action, FlowId, PurgeOrder, Rate, Release, ReleaseOrder};
use crate::instance::{Board, Extent};
use crate::schema::Instant;
use crate::time::Timestamp;

/// Flows that are named or shown one by one.
pub(super) const MOST: usize = 1000;

/// What a command would do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Preview {
    /// For people, to be asked about.
    sentence: String,
    /// How many flows it is for.
    count: usize,
    /// These flows by their ids, the first 1000; none where it is for every flow.
    flows: Vec<FlowPreview>,
    /// What they hold, all together.
    held: u64,
    /// So many events are passed by it. Else that many at most: what a newer event has replaced is not known before.
    exact: bool,
    /// No held event is older; null: none is held, or the states do not tell.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_held_at: Option<Instant>,
    /// How long it takes by the rate that is given; null: there is none.
    eta_seconds: Option<u64>,
    /// What to send as `expect` with the command, if it is for one flow or for every flow; null: each of `flows` has its own.
    expect: Option<Expect>,
    /// What was committed up to then is shown.
    #[schema(value_type = String, format = DateTime)]
    as_of: Instant,
}

/// What it would do to one flow.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct FlowPreview {
    flow_id: String,
    /// `live`, `paused` or `resuming`; null: the flow is not known.
    state: Option<&'static str>,
    held: u64,
    /// Of a purge: the option to send, so that exactly what is shown is discarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    through_entry: Option<u64>,
    /// The part of this flow, where one `max_rate` is for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    max_rate: Option<f64>,
    expect: Expect,
}

/// What has to be the case still when the command takes effect.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ExpectOf)]
enum Expect {
    /// The pause that was looked at; null: none.
    Flow { pause_id: Option<String> },
    /// That every flow was looked at, a moment ago.
    Every(String),
}

/// For which flows.
pub(super) enum Whose {
    Flows(Vec<FlowId>),
    Selected(Selection),
    All,
}

pub(super) struct Asked {
    pub action: Action,
    pub whose: Whose,
}

impl Asked {
    /// It may look at every flow there is.
    ///
    /// # Errors
    /// 422: a rate is too little. 503 until all flows were read.
    pub fn preview(&self, shared: &Shared) -> Result<Preview, Problem> {
        match &self.whose {
            Whose::All => self.every(shared).map_err(not_yet),
            Whose::Flows(ids) => {
                let (looked, as_of) = named(ids, &shared.board).map_err(not_yet)?;
                self.several(&looked, as_of, &shared.discarded)
            }
            Whose::Selected(selection) => {
                let (looked, as_of) = self.selected(selection, &shared.board).map_err(not_yet)?;
                self.several(&looked, as_of, &shared.discarded)
            }
        }
    }

    /// Those that fit, and in whose state there is something to begin.
    fn selected(&self, selection: &Selection, board: &Board) -> Result<(Vec<Looked>, Timestamp), Progress> {
        let (resumes, now) = (matches!(self.action, Action::Resume(_)), board.clock.now());
        let mut looked = Vec::new();
        let extent = board.walk(Bound::Unbounded, |id, kept| {
            if !(resumes && kept.state_word() == "live") {
                let flow = kept.whole(id);
                if selection.fits(&flow, now) {
                    looked.push(Looked::at(&flow));
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok((looked, extent.as_of))
    }

    fn several(&self, looked: &[Looked], as_of: Timestamp, discarded: &str) -> Result<Preview, Problem> {
        let held: u64 = looked.iter().map(|looked| self.held(looked)).sum();
        let rates = self.rates(looked)?;
        let each = looked.iter().zip(rates).take(MOST).map(|(looked, rate)| self.of(looked, rate));
        let shown: Vec<FlowPreview> = each.collect();
        let expect = if let [only] = shown.as_slice() { Some(only.expect.clone()) } else { None };
        Ok(Preview {
            sentence: self.sentence(looked, discarded),
            count: looked.len(),
            held,
            exact: held == 0 || matches!(self.action, Action::Pause(_)),
            oldest_held_at: held_since(looked.iter()).map(Instant),
            eta_seconds: self.eta(held),
            expect,
            flows: shown,
            as_of: Instant(as_of),
        })
    }

    fn every(&self, shared: &Shared) -> Result<Preview, Progress> {
        let resumes = matches!(self.action, Action::Resume(_));
        // Only what holds something says since when, so only that is kept.
        let (mut own, mut of_every, mut held_by_all, mut taken) = (0, 0, 0, Vec::new());
        let Extent { known, as_of } = shared.board.walk(Bound::Unbounded, |_, kept| {
            // Of any other nothing is known but its first event.
            let Some(flow) = kept.flow() else { return ControlFlow::Continue(()) };
            let by_every = flow.pause().is_some_and(|pause| pause.by_all);
            let is_own = !by_every && flow.state_word() == "paused";
            own += usize::from(is_own);
            of_every += usize::from(by_every);
            let looked = Looked::at(flow);
            held_by_all += looked.held;
            if looked.held > 0 && if resumes { by_every } else { !is_own } {
                taken.push(looked);
            }
            ControlFlow::Continue(())
        })?;
        let held = taken.iter().map(|looked| looked.held).sum();
        let (verb, _) = self.words();
        Ok(Preview {
            sentence: preview::every(verb, known, held_by_all, own),
            count: if resumes { of_every } else { known.saturating_sub(own) },
            flows: Vec::new(),
            held,
            exact: held == 0 || matches!(self.action, Action::Pause(_)),
            oldest_held_at: held_since(taken.iter()).map(Instant),
            eta_seconds: None,
            expect: Some(Expect::Every(Shown::of(&self.action, clock::now()).seal(shared))),
            as_of: Instant(as_of),
        })
    }

    fn of(&self, looked: &Looked, rate: Option<Rate>) -> FlowPreview {
        let through_entry = match &self.action {
            Action::Purge(order) => Some(through(order, looked)),
            _ => None,
        };
        FlowPreview {
            flow_id: looked.id.to_string(),
            state: looked.state,
            held: looked.held,
            through_entry: through_entry.filter(|entry| *entry > 0),
            max_rate: rate.map(Rate::per_second),
            expect: Expect::Flow { pause_id: looked.pause.clone() },
        }
    }

    /// How many held events it is about.
    fn held(&self, looked: &Looked) -> u64 {
        match &self.action {
            Action::Release(ReleaseOrder::Count(count)) => looked.held.min(u64::from(count.get())),
            Action::AcceptLoss(order) => looked.held.min(u64::from(order.at_most.get())),
            Action::Pause(_) | Action::Resume(_) | Action::Release(_) | Action::Purge(_) => looked.held,
            Action::Forget | Action::Invalid { .. } => 0,
        }
    }

    /// The part of each flow, where one rate is for several.
    fn rates(&self, looked: &[Looked]) -> Result<Vec<Option<Rate>>, Problem> {
        let whole = match &self.action {
            Action::Resume(order) if looked.len() > 1 => order.max_rate,
            _ => None,
        };
        let Some(whole) = whole else { return Ok(vec![None; looked.len()]) };
        let held: Vec<u64> = looked.iter().map(|looked| looked.held).collect();
        let rates = divide(whole, &held).ok_or_else(|| {
            let count = looked.len();
            let detail =
                format!("options.max_rate is {whole}, and each of {count} flows needs 0.001 at least; send more");
            wrong_field("options.max_rate", detail)
        })?;
        Ok(rates.into_iter().map(Some).collect())
    }

    /// In whole seconds, the last one begun.
    fn eta(&self, held: u64) -> Option<u64> {
        let Action::Resume(order) = &self.action else { return None };
        if order.release == Some(Release::None) {
            return None;
        }
        let thousandths = order.max_rate?.thousandths();
        Some(held.saturating_mul(1000).div_ceil(thousandths))
    }

    /// What it does, as in "This pauses 3 flows"; and the state in which there is nothing to begin.
    fn words(&self) -> (&'static str, &'static str) {
        match &self.action {
            Action::Pause(_) => ("pauses", "paused"),
            Action::Resume(_) => ("resumes", "live"),
            Action::Release(_) => ("releases a sample of", ""),
            Action::Purge(_) => ("purges", ""),
            Action::AcceptLoss(_) => ("accepts the loss of held events of", ""),
            Action::Forget => ("forgets", ""),
            Action::Invalid { .. } => ("does nothing to", ""),
        }
    }

    fn sentence(&self, looked: &[Looked], discarded: &str) -> String {
        if let (Action::Purge(order), [flow]) = (&self.action, looked)
            && flow.state == Some("paused")
        {
            return preview::purge(flow, through(order, flow), discarded);
        }
        let (verb, already) = self.words();
        preview::several(verb, already, looked)
    }
}

/// The flows by their names, known or not.
fn named(ids: &[FlowId], board: &Board) -> Result<(Vec<Looked>, Timestamp), Progress> {
    board.flows(|flows| {
        let looked = |id| Looked::of(id, flows.known.get(id).map(|kept| kept.whole(id)).as_deref());
        (ids.iter().map(looked).collect(), flows.as_of())
    })
}

/// The last entry that a purge discards.
fn through(order: &PurgeOrder, flow: &Looked) -> u64 {
    let last = flow.last_entry;
    order.through_entry.map_or(last, NonZeroU64::get).min(last)
}
