//! Which flows a command is for, and what is asked about before it is sent.

use std::collections::BTreeSet;
use std::io::Write;

use clap::Args;
use serde_json::Value;

use super::completions::flow_ids;
use super::confirm::{confirm, confirm_or};
use super::flows::READ;
use super::selecting::{self, matching};
use super::send::{Asking, flow_id, target};
use super::table::table;
use super::{Failure, exit};
use crate::broker::Broker;
use crate::client::glob::{Glob, looks_like_one};
use crate::client::preview::{self, Looked, named};
use crate::client::select::Selection;
use crate::client::states::{Known, States};
use crate::clock;
use crate::flow::{Action, Command, Expect, FlowId, Target};
use crate::schema;
use crate::schema::topics::Topics;

#[derive(Debug, Args)]
pub struct Choosing {
    #[arg(value_name = "FLOW", value_parser = flow_id, add = flow_ids(), required_unless_present_any = ["select", "all"], conflicts_with = "select")]
    pub flows: Vec<FlowId>,
    /// Every flow, also one that is first seen later; pauses of their own that flows have stay
    #[arg(long, conflicts_with_all = ["flows", "select"])]
    pub all: bool,
    #[arg(long, value_name = "TERMS", long_help = selecting::HELP, help = selecting::SHORT)]
    pub select: Vec<Selection>,
    /// Do not ask: several flows are shown before anything is sent, and without a terminal nothing is without this
    #[arg(long)]
    pub yes: bool,
    /// Show the commands, and send none
    #[arg(long)]
    pub dry_run: bool,
}

/// What is to be done with the flows.
pub struct Plan<'a> {
    /// As in "This pauses 3 flows".
    pub verb: &'a str,
    /// The state in which there is nothing to begin: `paused` for a pause.
    pub already: &'a str,
    /// Of those that are selected, only these.
    pub takes: fn(&Known) -> bool,
    /// Whether the states are needed for more than asking.
    pub needs_states: bool,
}

/// The flows, each once.
pub struct Chosen<B: Broker> {
    pub flows: Vec<FlowId>,
    /// Read to its end before anything is sent, if it had to be read.
    pub states: Option<States<B>>,
    /// They were chosen by how they are, or shown: nothing else is to be done to them.
    looked_at: bool,
}

impl Choosing {
    /// Finds the flows, and asks about them.
    ///
    /// # Errors
    /// As [`confirm`], and the broker's; [`exit::OTHER`]: no flow is selected.
    pub fn choose<B: Broker>(
        &self,
        plan: &Plan<'_>,
        asking: &Asking,
        broker: &B,
        topics: &Topics,
    ) -> Result<Chosen<B>, Failure> {
        let (mut seen, is_selected) = (BTreeSet::new(), !self.select.is_empty());
        let mut flows: Vec<FlowId> = self.flows.iter().filter(|flow| seen.insert(*flow)).cloned().collect();
        if (flows.len() > 1 || is_selected) && asking.command_id.is_some() {
            let what = "`--command-id` names one command, and there are several flows";
            return Err(Failure::new(exit::CONFIGURATION, what).hint("send one command a flow"));
        }
        let is_odd = flows.iter().any(|flow| looks_like_one(flow.as_str()));
        let asks = !self.yes && !self.dry_run;
        let (shown, all) = (asks && (flows.len() > 1 || is_selected), is_selected || asks && is_odd);
        if !(shown || all || self.dry_run || plan.needs_states) {
            return Ok(Chosen { flows, states: None, looked_at: false });
        }
        let mut states = if all { States::open(broker, topics)? } else { States::homes_of(broker, topics, &flows)? };
        states.catch_up(READ)?;
        if is_selected {
            flows = self.selected(&states, plan)?;
        }
        if asks && is_odd {
            beware_of_patterns(&flows, &states)?;
        }
        if shown {
            let looked = |id| Looked::of(id, states.flows.get(id).map(|known| &known.flow));
            let looked: Vec<Looked> = flows.iter().map(looked).collect();
            confirm(&preview::several(plan.verb, plan.already, &looked), false)?;
        }
        Ok(Chosen { flows, states: Some(states), looked_at: shown || is_selected })
    }

    /// For `--all`: what there is, and asks about it.
    ///
    /// # Errors
    /// As [`confirm`], and the broker's.
    pub fn every<B: Broker>(&self, plan: &Plan<'_>, broker: &B, topics: &Topics) -> Result<Chosen<B>, Failure> {
        let mut states = States::open(broker, topics)?;
        states.catch_up(READ)?;
        let is_own = |known: &&Known| known.flow.pause().is_some_and(|pause| !pause.by_all);
        let own = states.flows.values().filter(is_own).filter(|known| known.flow.state_word() == "paused").count();
        let flows: Vec<FlowId> =
            states.flows.values().filter(|known| (plan.takes)(known)).map(|known| known.flow.id.clone()).collect();
        if !self.yes && !self.dry_run {
            let held: u64 = states.flows.values().map(|known| known.flow.counts.held().total()).sum();
            let all = states.flows.len();
            let preview = preview::every(plan.verb, all, held, own);
            confirm(&preview, false)?;
        }
        Ok(Chosen { flows, states: Some(states), looked_at: false })
    }

    fn selected<B: Broker>(&self, states: &States<B>, plan: &Plan<'_>) -> Result<Vec<FlowId>, Failure> {
        let now = clock::now();
        let fits = |known: &&Known| self.select.iter().all(|selection| selection.fits(&known.flow, now));
        let fitting: Vec<&Known> = states.flows.values().filter(fits).collect();
        let flows: Vec<FlowId> =
            fitting.iter().filter(|known| (plan.takes)(known)).map(|known| known.flow.id.clone()).collect();
        match (flows.len(), fitting.len()) {
            (0, 0) => {
                let what = format!("none of {} known flows is like that: nothing was sent", states.flows.len());
                Err(Failure::new(exit::OTHER, what).hint("`flowgate flows --select ...` shows what a selection fits"))
            }
            (0, 1) => Err(Failure::new(exit::OTHER, format!("the flow is {}: nothing was sent", plan.already))),
            (0, all) => {
                Err(Failure::new(exit::OTHER, format!("all {all} flows are {}: nothing was sent", plan.already)))
            }
            _ => Ok(flows),
        }
    }
}

impl<B: Broker> Chosen<B> {
    /// What has to be the case still when the command takes effect: the pause that was looked at.
    pub fn expect(&self, flow: &FlowId) -> Expect {
        let pause = self.known(flow).filter(|_| self.looked_at).and_then(|known| known.flow.pause());
        Expect { pause: pause.map(|pause| Some(pause.id.clone())), next_entry: None }
    }

    pub fn known(&self, flow: &FlowId) -> Option<&Known> {
        self.states.as_ref()?.flows.get(flow)
    }

    /// How the flow is that a command is for, or how many there are if it is for every flow; and what is held.
    fn standing(&self, command: &Command) -> (String, u64) {
        let held = |known: &Known| known.flow.counts.held().total();
        match (&command.target, &self.states) {
            (Target::Every, Some(states)) => {
                (format!("{} known", states.flows.len()), states.flows.values().map(held).sum())
            }
            (Target::Flow(flow), _) => {
                let known = self.known(flow);
                (known.map_or("not known", |known| known.flow.state_word()).to_owned(), known.map_or(0, held))
            }
            (Target::Every, None) => ("-".to_owned(), 0),
        }
    }

    /// Shows the commands that would be sent.
    ///
    /// # Errors
    /// Of the output.
    pub fn rehearse(&self, commands: &[Command], asking: &Asking, out: &mut dyn Write) -> Result<(), Failure> {
        let document = |command| serde_json::from_slice::<Value>(&schema::command::write(command));
        let documents: Value = commands
            .iter()
            .map(document)
            .collect::<Result<_, _>>()
            .map_err(|error| Failure::new(exit::OTHER, format!("a command cannot be written: {error}")))?;
        asking.output.write(out, &documents, |wide| {
            let header = ["FLOW", "STATE", "HELD", "ACTION", "RATE", "COMMAND"];
            let columns = if wide { 6 } else { 5 };
            let rows = commands.iter().map(|command| {
                let rate = match &command.action {
                    Action::Resume(order) => order.max_rate,
                    _ => None,
                };
                let (state, held) = self.standing(command);
                let mut row = vec![
                    target(command).to_owned(),
                    state,
                    held.to_string(),
                    command.action.word().to_owned(),
                    rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate}/s")),
                    String::from_utf8_lossy(&schema::command::write(command)).into_owned(),
                ];
                row.truncate(columns);
                row
            });
            format!("{}\nnothing was sent: leave --dry-run away to send it", table(&header[..columns], rows))
        })
    }
}

/// Asks about ids that were probably meant as patterns: they have signs of one, no flow is called so, and known flows fit them.
fn beware_of_patterns<B: Broker>(flows: &[FlowId], states: &States<B>) -> Result<(), Failure> {
    let odd = flows.iter().filter(|flow| looks_like_one(flow.as_str()));
    for id in odd.filter(|id| !states.flows.contains_key(*id)) {
        let Ok(glob) = Glob::new(id.as_str()) else { continue };
        let fitting: Vec<&FlowId> = states.flows.keys().filter(|flow| glob.fits(flow.as_str())).collect();
        if fitting.is_empty() {
            continue;
        }
        let (noun, verb) = if fitting.len() == 1 { ("flow", "fits") } else { ("flows", "fit") };
        let preview = format!(
            "`{id}` is taken for the id of one flow, and no flow of that name is known. {} known {noun} {verb} it as a \
             pattern: {}.",
            fitting.len(),
            named(fitting.iter().copied())
        );
        let select = matching(id.as_str());
        let fix = format!("write `{select}` for these, or --yes if a flow has this very name");
        confirm_or(&preview, false, &fix)?;
    }
    Ok(())
}
