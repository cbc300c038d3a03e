//! What `flowgate queue` says of what it shows: how much that is of everything, and what is not known.

use super::listing::whole;
use super::reach::{Reach, grouped};
use crate::client::held::{Missing, Page};
use crate::duration;
use crate::flow::{Flow, State};
use crate::time::Timestamp;

/// What was looked at, and for what.
pub struct Looked<'a> {
    pub flow: &'a Flow,
    pub page: &'a Page,
    pub reach: Reach,
    pub newest: bool,
    /// Only some entries were asked for, by what they are.
    pub filtered: bool,
    /// No part of the queue was left out by numbers.
    pub is_of_all: bool,
    /// As many are shown as were asked for.
    pub full: bool,
}

impl Looked<'_> {
    /// In the place of a table without rows.
    pub fn nothing(&self, now: Timestamp) -> Vec<String> {
        let (id, held) = (&self.flow.id, self.held());
        if let Some(missing) = self.missing() {
            return vec![missing];
        }
        if held == 0 {
            return vec![match &self.flow.state {
                State::Live => format!("`{id}` is live: it holds nothing"),
                State::Resuming { .. } => format!("`{id}` is resuming, and holds nothing"),
                State::Paused(pause) => {
                    let since = duration::show(whole(now.since(pause.paused_at)));
                    format!("`{id}` is paused for {since}, and holds nothing")
                }
            }];
        }
        let how = match (self.is_cut_short(), self.filtered, self.is_of_all) {
            (true, ..) => "none of those that were looked at is like that",
            (false, true, _) => "none of them is like that",
            (false, false, false) => "none of them has such a number",
            (false, false, true) => "all of them were replaced, and the broker has removed them already",
        };
        let noun = if held == 1 { "event" } else { "events" };
        vec![format!("`{id}` holds {} {noun}: {how}", grouped(held))]
    }

    /// Behind a table.
    pub fn some(&self) -> Vec<String> {
        let mut lines: Vec<String> = [self.count()].into();
        if self.page.entries.iter().any(|entry| entry.fate.is_none()) {
            let what = "?: what is held behind these was not read to its end, so it is not known what becomes of them";
            let total = self.page.progress.total.saturating_mul(2);
            lines.push(format!("{what}; --scan {total} reads all of it"));
        }
        lines.extend(self.missing());
        lines
    }

    /// Beside the output. `people`: they have read the rest of it.
    pub fn beside(&self, people: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if self.is_cut_short() {
            let on = self.go_on().map_or_else(String::new, |on| format!("go on with {on}, or "));
            lines.push(self.reach.fell_short(self.page.progress, &on));
        } else if !people && self.page.next.is_some() {
            lines.push(self.count());
        }
        if !people {
            lines.extend(self.missing());
        }
        lines
    }

    /// How many are shown, of how many, and how to go on.
    fn count(&self) -> String {
        let (shown, held) = (self.page.entries.len() as u64, self.held());
        let of = format!("{} of {}", grouped(shown), events(held));
        if self.is_cut_short() {
            return format!("{of} so far");
        }
        if let Some(on) = self.go_on() {
            let through = match self.filtered {
                true => format!(
                    ", found in {} of {} offsets",
                    grouped(self.page.progress.scanned),
                    grouped(self.page.progress.total)
                ),
                false => String::new(),
            };
            return format!("{of}{through}; go on with {on}");
        }
        match (self.filtered, self.is_of_all) {
            (true, _) => format!("{of}; no other is like that"),
            (false, false) => format!("{of}; these are the last"),
            (false, true) if self.is_still() && self.page.missing.is_none() && shown < held => {
                format!("{of}; the others were replaced, and the broker has removed them already")
            }
            (false, true) if shown == held => events(held),
            (false, true) => of,
        }
    }

    fn go_on(&self) -> Option<String> {
        self.page.next.as_ref()?;
        let beyond = self.page.beyond?;
        Some(if self.newest { format!("--newest --before {beyond}") } else { format!("--after {beyond}") })
    }

    /// The bound was reached before all was found that was asked for.
    fn is_cut_short(&self) -> bool {
        self.page.next.is_some() && !self.full
    }

    /// Nothing is passed meanwhile: what is counted as held is what is there, but for what the broker has removed.
    fn is_still(&self) -> bool {
        !self.flow.passes()
    }

    fn missing(&self) -> Option<String> {
        let id = &self.flow.id;
        let accept = format!("`{id}` can be resumed only without them, see `flowgate flow --accept-loss`");
        match (self.page.missing?, &self.flow.queue.topic) {
            (Missing::Topic, Some(topic)) => {
                let held = events(self.held());
                Some(format!("the queue topic `{topic}` is gone, and with it {held}: {accept}"))
            }
            (Missing::Topic, None) => {
                Some(format!("the queue topic is gone, and with it {}: {accept}", events(self.held())))
            }
            (Missing::Records, _) => {
                Some(format!("held events that come before these were deleted by somebody: {accept}"))
            }
        }
    }

    fn held(&self) -> u64 {
        self.flow.counts.held().total()
    }
}

fn events(number: u64) -> String {
    match number {
        1 => "1 held event".to_owned(),
        number => format!("{} held events", grouped(number)),
    }
}
