//! How well many drains keep to one rate that they share.

use crate::Result;
use crate::deliveries::Held;
use crate::figures::Measure;

/// What came in each second since the resume, and how far the pace of each flow was from its share of all.
///
/// The pace of a flow is that between its first event and its last one; its share is in proportion to what it held.
pub fn of(held: &Held, resumed: u64, rate: u32) -> Result<Vec<Measure>> {
    let mut seconds: Vec<u32> = Vec::new();
    for at in held.values().flatten() {
        let second = usize::try_from(at.saturating_sub(resumed) / 1_000_000)?;
        if seconds.len() <= second {
            seconds.resize(second + 1, 0);
        }
        seconds[second] += 1;
    }
    let all: usize = held.values().map(Vec::len).sum();
    let mut off: Vec<f64> = held.values().filter_map(|of| off(of, all, rate)).collect();
    off.sort_unstable_by(f64::total_cmp);
    let busiest = seconds.iter().max().copied().ok_or("nothing was held")?;
    let ten = seconds.windows(10.min(seconds.len())).map(|some| some.iter().sum::<u32>()).max().unwrap_or_default();
    // The last one is seldom whole.
    seconds.pop();
    seconds.sort_unstable();
    let middle = seconds.get(seconds.len() / 2).copied().unwrap_or(busiest);
    let at = |percent: usize| off.get(off.len() * percent / 100).copied().unwrap_or_default();
    Ok(vec![
        ("middle_second_records", middle.into()),
        ("busiest_second_records", busiest.into()),
        ("busiest_ten_seconds_records", ten.into()),
        ("off_its_share_p50_percent", at(50)),
        ("off_its_share_p99_percent", at(99)),
    ])
}

/// In percent; `None`: one event has no pace.
fn off(of: &[u64], all: usize, rate: u32) -> Option<f64> {
    let (first, last) = (of.first()?, of.last().filter(|_| of.len() > 1)?);
    let share = f64::from(rate) * of.len() as f64 / all as f64;
    let pace = (of.len() - 1) as f64 / (last.saturating_sub(*first) as f64 / 1e6);
    Some((pace / share - 1.0).abs() * 100.0)
}
