//! `flowgate resume --wait`: how far the drains are, and at their end what they have done.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{Value, json};

use super::progress::Progress;
use super::send::{Asking, judge, per_kind, show, target};
use super::{Failure, exit};
use crate::broker::Broker;
use crate::client::control::Sent;
use crate::client::drains::{Drains, Passed, Stage};
use crate::flow::{FlowId, Rate};
use crate::legible::legible;

/// Shows the answers, waits until every flow that was resumed is live, and says what the resumes have done. For scripts
/// that is one document, at the end.
///
/// # Errors
/// Of the answers; [`exit::OTHER`]: a flow was paused again.
pub fn follow<B: Broker>(
    sent: &[Sent],
    mut drains: Drains<B>,
    asking: &Asking,
    mut progress: Progress,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if asking.output.is_for_people() {
        show(sent, asking, out, |_| None)?;
    }
    drains.follow(sent);
    let mut told = BTreeSet::new();
    let (mut again, mut all) = (None, Sum::default());
    loop {
        let mut sum = Sum::default();
        for (flow, stage) in drains.stages() {
            sum.add(flow, &stage);
            let Some(line) = told_of(flow, &stage).filter(|_| !told.contains(flow)) else { continue };
            told.insert(flow.clone());
            match &stage {
                Stage::Paused { .. } => {
                    again.get_or_insert_with(|| Failure::new(exit::OTHER, line).hint("resume it again to go on"));
                }
                _ if asking.output.is_for_people() => writeln!(out, "{}", legible(&line))?,
                _ => {}
            }
        }
        if sum.under_way == 0 {
            break;
        }
        all = sum;
        if !all.limits.is_empty() {
            progress.show(&all.name(), all.passed, all.left, all.limit());
        }
        drains.poll()?;
    }
    if all.under_way > 0 {
        progress.done();
    }
    if !asking.output.is_for_people() {
        let stages: Vec<(&FlowId, Stage)> = drains.stages().collect();
        show(sent, asking, out, |command| {
            let (_, stage) = stages.iter().find(|(flow, _)| flow.as_str() == target(command))?;
            Some(("drained", document(stage)?))
        })?;
    }
    judge(sent, asking)?;
    again.map_or(Ok(()), Err)
}

/// All drains together.
#[derive(Default)]
struct Sum {
    under_way: usize,
    first: String,
    passed: u64,
    left: u64,
    limits: Vec<Option<Rate>>,
}

impl Sum {
    fn add(&mut self, flow: &FlowId, stage: &Stage) {
        match stage {
            Stage::Draining { passed, left, limit } => {
                self.under_way(flow);
                self.passed += passed.total();
                self.left += left;
                self.limits.push(*limit);
            }
            Stage::Awaited => self.under_way(flow),
            Stage::Live(passed) | Stage::Paused { passed, .. } => self.passed += passed.total(),
            Stage::Unknown => {}
        }
    }

    fn under_way(&mut self, flow: &FlowId) {
        if self.under_way == 0 {
            self.first = flow.to_string();
        }
        self.under_way += 1;
    }

    fn name(&self) -> String {
        match self.under_way {
            1 => self.first.clone(),
            count => format!("{count} flows"),
        }
    }

    /// Of all together; none if one of them has none.
    fn limit(&self) -> Option<Rate> {
        let limits: Option<Vec<u64>> = self.limits.iter().map(|limit| limit.map(Rate::thousandths)).collect();
        Rate::of_thousandths(limits?.iter().sum())
    }
}

/// The sentence about a flow that needs no more waiting for.
fn told_of(flow: &FlowId, stage: &Stage) -> Option<String> {
    match stage {
        Stage::Awaited | Stage::Draining { .. } => None,
        Stage::Unknown => Some(format!("{flow}: not known")),
        Stage::Live(passed) => {
            let Passed { released, replaced, removed, lost } = passed;
            let (released, replaced, removed) = (released.total(), replaced.total(), removed.total());
            let lost = match lost.total() {
                0 => String::new(),
                lost => format!(", {lost} lost"),
            };
            Some(format!("{flow} is live: {released} released, {replaced} replaced, {removed} removed{lost}"))
        }
        Stage::Paused { by, passed } => {
            let passed = passed.total();
            Some(format!("{flow} was paused again by {by}, {passed} events after the resume"))
        }
    }
}

/// For scripts: what was done, and where the flow stands.
fn document(stage: &Stage) -> Option<Value> {
    let (state, Passed { released, replaced, removed, lost }) = match stage {
        Stage::Live(passed) => ("live", passed),
        Stage::Paused { passed, .. } => ("paused", passed),
        Stage::Unknown | Stage::Awaited | Stage::Draining { .. } => return None,
    };
    Some(json!({
        "state": state,
        "released": per_kind(*released),
        "replaced": per_kind(*replaced),
        "removed": per_kind(*removed),
        "lost": per_kind(*lost),
    }))
}
