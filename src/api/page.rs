//! A page of flows: which, in which order, and where the next one begins.
//!
//! A page begins behind the last flow of the one before, by what it is sorted by and its id, not behind so many flows: what
//! comes and goes meanwhile moves no other flow onto a page twice or off every page. A flow whose own place changes
//! meanwhile may be met again, or missed. What fits no longer when the page is written is not on it, so a page may be short.

use std::collections::BinaryHeap;
use std::ops::{Bound, ControlFlow};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::query::wrong;
use super::seal::Seal;
use super::view::FlowView;
use crate::client::states::{Kept, Progress};
use crate::flow::{Flow, FlowId};
use crate::instance::{Board, Extent, Flows};
use crate::schema::Instant;

/// Some flows, and where to go on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Flows)]
pub(super) struct Page {
    flows: Vec<FlowView>,
    /// What to ask for `after` to get the page behind this one; null on the last one.
    next: Option<String>,
    /// All flows that are known, whether they are asked for or not.
    known: usize,
    /// What was committed up to then is shown.
    #[schema(value_type = String, format = DateTime)]
    as_of: Instant,
}

/// Which flows.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub state: Option<&'static str>,
    /// It is part of the id.
    pub text: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Id,
    /// Most first.
    Held,
    /// Soonest first; what does not resume by itself comes last.
    ResumesAt,
}

/// A flow's place in an order: places are sorted by the number, then by the id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u64, FlowId);

/// Where a page ends, and of what.
#[derive(Serialize, Deserialize)]
struct Cursor {
    state: Option<String>,
    text: Option<String>,
    sort: String,
    number: u64,
    id: String,
}

impl Order {
    pub const WORDS: [(&'static str, Self); 3] =
        [("id", Self::Id), ("held", Self::Held), ("resumes_at", Self::ResumesAt)];

    fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Held => "held",
            Self::ResumesAt => "resumes_at",
        }
    }

    fn number(self, kept: &Kept) -> u64 {
        match self {
            Self::Id => 0,
            Self::Held => u64::MAX - kept.flow().map_or(0, |flow| flow.counts.held().total()),
            Self::ResumesAt => {
                let deadline = kept.flow().and_then(Flow::deadline);
                deadline.map_or(u64::MAX, |deadline| deadline.0.max(0).unsigned_abs())
            }
        }
    }
}

impl Filter {
    pub fn wants(&self, id: &FlowId, kept: &Kept) -> bool {
        self.state.is_none_or(|state| state == kept.state_word())
            && self.text.as_ref().is_none_or(|text| id.as_str().contains(text))
    }

    /// Looks at every flow there may be.
    ///
    /// # Errors
    /// How far the reading of the states is, until all were read.
    pub fn page(
        &self,
        order: Order,
        limit: usize,
        after: Option<&Rank>,
        board: &Board,
        seal: &Seal,
    ) -> Result<Page, Progress> {
        let (mut ranks, Extent { known, as_of }) = self.first(order, limit + 1, after, board)?;
        let more = ranks.len() > limit;
        ranks.truncate(limit);
        let next = ranks.last().filter(|_| more).map(|last| self.seal(order, seal, last));
        let mut flows = Vec::with_capacity(ranks.len());
        // Each for itself: writing them all takes long, and whoever asks for one flow would wait.
        for Rank(_, id) in &ranks {
            let fitting = |flows: &Flows| {
                let kept = flows.known.get(id).filter(|kept| self.wants(id, kept));
                kept.map(|kept| FlowView::of(id, kept, as_of, board))
            };
            flows.extend(board.flows(fitting)?);
        }
        Ok(Page { flows, next, known, as_of: Instant(as_of) })
    }

    /// The first flows behind a place, in their order.
    fn first(
        &self,
        order: Order,
        most: usize,
        after: Option<&Rank>,
        board: &Board,
    ) -> Result<(Vec<Rank>, Extent), Progress> {
        // The largest of those kept is on top: it is the one to go.
        let mut kept_ranks: BinaryHeap<Rank> = BinaryHeap::with_capacity(most + 1);
        let from = match (order, after) {
            (Order::Id, Some(Rank(_, id))) => Bound::Excluded(id.clone()),
            _ => Bound::Unbounded,
        };
        let extent = board.walk(from, |id, kept| {
            if !self.wants(id, kept) {
                return ControlFlow::Continue(());
            }
            let number = order.number(kept);
            let is_behind = |place: &Rank| (number, id) > (place.0, &place.1);
            if after.is_none_or(is_behind) && (kept_ranks.len() < most || !kept_ranks.peek().is_some_and(is_behind)) {
                kept_ranks.push(Rank(number, id.clone()));
                if kept_ranks.len() > most {
                    kept_ranks.pop();
                }
            }
            match order {
                Order::Id if kept_ranks.len() == most => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })?;
        Ok((kept_ranks.into_sorted_vec(), extent))
    }

    fn seal(&self, order: Order, seal: &Seal, Rank(number, id): &Rank) -> String {
        let (state, text) = (self.state.map(str::to_owned), self.text.clone());
        let (sort, id) = (order.word().to_owned(), id.to_string());
        seal.seal(PURPOSE, &Cursor { state, text, sort, number: *number, id })
    }

    /// Where a cursor of this query points.
    ///
    /// # Errors
    /// 400 if it was not given out here, or for another query.
    pub fn open(&self, order: Order, seal: &Seal, text: &str) -> Result<Rank, Problem> {
        let unknown =
            || wrong("after", "it is no cursor of this list; ask for `next` as it was given, or for the first page");
        let cursor: Cursor = seal.open(PURPOSE, text).ok_or_else(unknown)?;
        if (cursor.state.as_deref(), &cursor.text, cursor.sort.as_str()) != (self.state, &self.text, order.word()) {
            let detail = "it is the cursor of another list; leave `state`, `match` and `sort` as they were";
            return Err(wrong("after", detail));
        }
        FlowId::new(&cursor.id).map(|id| Rank(cursor.number, id)).map_err(|_| unknown())
    }
}

const PURPOSE: &str = "cursor of flows";
