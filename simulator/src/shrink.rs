//! Makes a failing schedule small: leaves out what it fails without.

use crate::plan::{Op, Plan};
use crate::run::run;
use crate::trace::Trace;

/// Which of a plan's operations are left after leaving out all that can be, trying at most so many schedules. What is left
/// fails in the same way as the plan; all of it if the plan does not fail.
#[must_use]
pub fn shrink(plan: &Plan, tries: u32) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..plan.ops.len()).collect();
    let Err(why) = run(plan, Trace::default()).result else { return kept };
    let kind = kind_of(&why);
    let mut left = tries;
    let mut chunk = kept.len().div_ceil(2).max(1);
    while left > 0 {
        let before = kept.len();
        let mut start = 0;
        while start < kept.len() && left > 0 {
            let end = (start + chunk).min(kept.len());
            let without: Vec<usize> = kept[..start].iter().chain(&kept[end..]).copied().collect();
            left -= 1;
            match run(&part(plan, &without), Trace::default()).result {
                Err(why) if kind_of(&why) == kind => kept = without,
                _ => start = end,
            }
        }
        if chunk == 1 && kept.len() == before {
            break;
        }
        chunk = chunk.div_ceil(2).max(1);
    }
    kept
}

/// What a failure begins with, whatever it happened to.
fn kind_of(why: &str) -> Vec<&str> {
    let words = why.split_whitespace().filter(|word| word.chars().all(|c| c.is_ascii_alphabetic()));
    words.take(4).collect()
}

/// The plan with these operations alone.
#[must_use]
pub fn part(plan: &Plan, kept: &[usize]) -> Plan {
    let ops: Vec<Op> = kept.iter().filter_map(|index| plan.ops.get(*index).cloned()).collect();
    Plan { seed: plan.seed, shape: plan.shape, ops }
}
