//! What a command would do, from the committed states.

use std::num::NonZeroU64;

use serde::Serialize;
use utoipa::ToSchema;

use super::json::wrong_field;
use super::orders::Shown;
use super::view::not_yet;
use super::{Problem, Shared};
use crate::client::preview::{self, Looked};
use crate::client::rates::divide;
use crate::client::select::Selection;
use crate::client::states::Kept;
use crate::clock;
use crate::flow::{Action, Flow, FlowId, PurgeOrder, Rate, Release, ReleaseOrder, State};
use crate::instance::Flows;
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
    /// # Errors
    /// 422: a rate is too little. 503 until all flows were read.
    pub fn preview(&self, shared: &Shared) -> Result<Preview, Problem> {
        let now = clock::now();
        shared
            .board
            .flows(|flows| match &self.whose {
                Whose::All => Ok(self.every(flows, now, shared)),
                Whose::Flows(ids) => self.several(ids, flows, &shared.discarded),
                Whose::Selected(selection) => {
                    self.several(&self.selected(selection, flows, now), flows, &shared.discarded)
                }
            })
            .map_err(not_yet)?
    }

    /// Those that fit, and in whose state there is something to begin.
    fn selected(&self, selection: &Selection, flows: &Flows, now: Timestamp) -> Vec<FlowId> {
        let fits = |(id, kept): &(&FlowId, &Kept)| {
            (kept.state_word() != "live" || !matches!(self.action, Action::Resume(_)))
                && selection.fits(&kept.known(id), now)
        };
        flows.known.iter().filter(fits).map(|(id, _)| id.clone()).collect()
    }

    fn several(&self, ids: &[FlowId], flows: &Flows, discarded: &str) -> Result<Preview, Problem> {
        let known: Vec<_> = ids.iter().map(|id| (id, flows.known.get(id).map(|kept| kept.known(id)))).collect();
        let looked = known.iter().map(|(id, known)| Looked { id, flow: known.as_ref().map(|known| &known.flow) });
        let looked: Vec<Looked<'_>> = looked.collect();
        let held: u64 = looked.iter().map(|looked| self.held(looked)).sum();
        let rates = self.rates(&looked)?;
        let each = looked.iter().zip(rates).take(MOST).map(|(looked, rate)| self.of(looked, rate));
        let shown: Vec<FlowPreview> = each.collect();
        let expect = if let [only] = shown.as_slice() { Some(only.expect.clone()) } else { None };
        Ok(Preview {
            sentence: self.sentence(&looked, discarded),
            count: ids.len(),
            held,
            exact: held == 0 || matches!(self.action, Action::Pause(_)),
            oldest_held_at: oldest(looked.iter().filter_map(|looked| looked.flow)).map(Instant),
            eta_seconds: self.eta(held),
            expect,
            flows: shown,
            as_of: Instant(flows.as_of()),
        })
    }

    fn every(&self, flows: &Flows, now: Timestamp, shared: &Shared) -> Preview {
        let is_own = |flow: &&Flow| flow.pause().is_some_and(|pause| !pause.by_all) && flow.state_word() == "paused";
        let full = || flows.known.values().filter_map(|kept| kept.flow());
        let (own, all) = (full().filter(is_own).count(), flows.known.len());
        let held_by = |flow: &Flow| flow.counts.held().total();
        let is_taken = |flow: &&Flow| match self.action {
            Action::Resume(_) => flow.pause().is_some_and(|pause| pause.by_all),
            _ => !is_own(flow),
        };
        let held = full().filter(is_taken).map(held_by).sum();
        let (verb, _) = self.words();
        let count = match self.action {
            Action::Resume(_) => full().filter(is_taken).count(),
            _ => all - own,
        };
        let shown = Shown { action: self.action.word().to_owned(), at: now.0 };
        Preview {
            sentence: preview::every(verb, all, full().map(held_by).sum(), own),
            count,
            flows: Vec::new(),
            held,
            exact: held == 0 || matches!(self.action, Action::Pause(_)),
            oldest_held_at: oldest(full().filter(is_taken)).map(Instant),
            eta_seconds: None,
            expect: Some(Expect::Every(shown.seal(shared))),
            as_of: Instant(flows.as_of()),
        }
    }

    fn of(&self, looked: &Looked<'_>, rate: Option<Rate>) -> FlowPreview {
        let pause_id = looked.flow.and_then(Flow::pause).map(|pause| pause.id.clone());
        let through_entry = match &self.action {
            Action::Purge(order) => looked.flow.map(|flow| through(order, flow)),
            _ => None,
        };
        FlowPreview {
            flow_id: looked.id.to_string(),
            state: looked.flow.map(Flow::state_word),
            held: looked.held(),
            through_entry: through_entry.filter(|entry| *entry > 0),
            max_rate: rate.map(Rate::per_second),
            expect: Expect::Flow { pause_id },
        }
    }

    /// How many held events it is about.
    fn held(&self, looked: &Looked<'_>) -> u64 {
        match &self.action {
            Action::Release(ReleaseOrder::Count(count)) => looked.held().min(u64::from(count.get())),
            Action::AcceptLoss(order) => looked.held().min(u64::from(order.at_most.get())),
            Action::Pause(_) | Action::Resume(_) | Action::Release(_) | Action::Purge(_) => looked.held(),
            Action::Forget | Action::Invalid { .. } => 0,
        }
    }

    /// The part of each flow, where one rate is for several.
    fn rates(&self, looked: &[Looked<'_>]) -> Result<Vec<Option<Rate>>, Problem> {
        let whole = match &self.action {
            Action::Resume(order) if looked.len() > 1 => order.max_rate,
            _ => None,
        };
        let Some(whole) = whole else { return Ok(vec![None; looked.len()]) };
        let held: Vec<u64> = looked.iter().map(Looked::held).collect();
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
            Action::AcceptLoss(_) => ("accepts that held events are lost of", ""),
            Action::Forget => ("forgets", ""),
            Action::Invalid { .. } => ("does nothing to", ""),
        }
    }

    fn sentence(&self, looked: &[Looked<'_>], discarded: &str) -> String {
        if let (Action::Purge(order), [Looked { flow: Some(flow), .. }]) = (&self.action, looked)
            && matches!(flow.state, State::Paused(_))
        {
            return preview::purge(flow, through(order, flow), discarded);
        }
        let (verb, already) = self.words();
        preview::several(verb, already, looked)
    }
}

/// The last entry that a purge discards.
fn through(order: &PurgeOrder, flow: &Flow) -> u64 {
    let last = flow.queue.last_entry();
    order.through_entry.map_or(last, NonZeroU64::get).min(last)
}

/// When the oldest held event was held at the earliest, as far as the states tell: since the first pause that found nothing held.
fn oldest<'a>(flows: impl Iterator<Item = &'a Flow>) -> Option<Timestamp> {
    let mut oldest = None;
    for flow in flows.filter(|flow| flow.counts.held().total() > 0) {
        // What an earlier pause has left is older, nobody knows how much.
        let pause = flow.pause().filter(|_| flow.at_pause.held().total() == 0)?;
        oldest = Some(oldest.map_or(pause.paused_at, |oldest: Timestamp| oldest.min(pause.paused_at)));
    }
    oldest
}
