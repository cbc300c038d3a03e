//! Which flows a command is for.

use super::Failure;
use super::confirm::confirm_or;
use super::flows::READ;
use super::glob::{Glob, looks_like_one};
use super::select::matching;
use crate::broker::Broker;
use crate::client::states::States;
use crate::flow::FlowId;
use crate::schema::topics::Topics;

/// How many ids a sentence names.
const NAMED: usize = 5;

/// Asks about ids that were probably meant as patterns: they have signs of one, no flow is called so, and known flows fit them.
///
/// # Errors
/// As [`confirm_or`], and the broker's.
pub fn beware_of_patterns<B: Broker>(flows: &[FlowId], yes: bool, broker: &B, topics: &Topics) -> Result<(), Failure> {
    let odd: Vec<&FlowId> = flows.iter().filter(|flow| looks_like_one(flow.as_str())).collect();
    if yes || odd.is_empty() {
        return Ok(());
    }
    let mut states = States::open(broker, topics)?;
    states.catch_up(READ)?;
    for id in odd.into_iter().filter(|id| !states.flows.contains_key(*id)) {
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
        confirm_or(&preview, yes, &fix)?;
    }
    Ok(())
}

/// The first ones by name, and how many more there are.
pub fn named<'a>(mut flows: impl ExactSizeIterator<Item = &'a FlowId>) -> String {
    let first: Vec<&str> = flows.by_ref().take(NAMED).map(FlowId::as_str).collect();
    let first = first.join(", ");
    match flows.len() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
