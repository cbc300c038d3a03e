//! How far a drain is: a bar on a terminal, a line now and then elsewhere. And how far a look through topics is: a bar on a
//! terminal, nothing elsewhere.

use std::io::Write as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::client::meter::Part;
use crate::duration;
use crate::flow::Rate;
use crate::legible::legible;

pub struct Progress {
    bar: Option<ProgressBar>,
    /// When the first state was seen, and what was to pass then; and when a line was last written.
    began: Option<(Instant, u64)>,
    written: Option<Instant>,
}

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

const OF_DRAIN: &str = "{msg} [{wide_bar}] {human_pos}/{human_len}{prefix}";
const OF_SCAN: &str = "{msg} [{wide_bar}] {human_pos}/{human_len} {percent}%{prefix}";

fn bar(target: ProgressDrawTarget, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar
}

/// Everything at once: the bar's own setters draw each change, and so lines that are half old.
fn draw(bar: &ProgressBar, what: &str, (done, total): (u64, u64), pace: String) {
    let bar = bar.clone().with_message(what.to_owned()).with_prefix(pace);
    bar.update(|state| {
        state.set_len(total);
        state.set_pos(done);
    });
}

impl Progress {
    pub fn new(terminal: bool) -> Self {
        let bar = terminal.then(|| bar(ProgressDrawTarget::stderr_with_hz(10), OF_DRAIN));
        Self { bar, began: None, written: None }
    }

    pub fn show(&mut self, flow: &str, passed: u64, left: u64, limit: Option<Rate>) {
        let (now, flow) = (Instant::now(), legible(flow));
        let (began, expected) = *self.began.get_or_insert((now, passed + left));
        let arrived = (passed + left).saturating_sub(expected);
        let pace = pace((passed, left, arrived), now.duration_since(began), limit, None);
        if let Some(bar) = &self.bar {
            // What arrives meanwhile makes it longer.
            draw(bar, &flow, (passed, passed + left), pace);
        } else if self.written.is_none_or(|written| now.duration_since(written) >= EVERY) {
            self.written = Some(now);
            // Nobody may be reading: the drain goes on all the same.
            let _ = writeln!(std::io::stderr(), "{flow}: {passed} of {} passed{pace}", passed + left);
        }
    }

    /// The end of one drain; another may follow.
    pub fn done(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            bar.reset();
        }
        (self.began, self.written) = (None, None);
    }
}

/// The line about one part of a look through topics after the other.
pub struct ScanBar {
    bar: ProgressBar,
    is_drawn: bool,
    is_wiped: bool,
}

impl ScanBar {
    pub fn new(target: ProgressDrawTarget) -> Self {
        Self { bar: bar(target, OF_SCAN), is_drawn: false, is_wiped: false }
    }

    pub fn show(&mut self, part: &Part, now: Instant) {
        if std::mem::take(&mut self.is_wiped) {
            self.bar.reset();
        }
        self.is_drawn = true;
        let (since, left) = (part.done.saturating_sub(part.before), part.total.saturating_sub(part.done));
        let at_most = part.until.map(|until| until.saturating_duration_since(now));
        let pace = pace((since, left, 0), now.saturating_duration_since(part.began), None, at_most);
        draw(&self.bar, &legible(&part.what), (part.done, part.total), pace);
    }

    pub fn wipe(&mut self) {
        if self.is_drawn {
            self.bar.finish_and_clear();
            (self.is_drawn, self.is_wiped) = (false, true);
        }
    }
}

/// The rate so far, and the time left, which is no longer than `at_most`. By the limit if there is one, for it is known before
/// anything has passed. What arrives meanwhile has to pass too.
fn pace(
    (passed, left, arrived): (u64, u64, u64),
    elapsed: Duration,
    limit: Option<Rate>,
    at_most: Option<Duration>,
) -> String {
    let seconds = elapsed.as_secs_f64();
    let measured = (passed > 0 && seconds >= 0.5).then(|| passed as f64 / seconds);
    let expected = measured.or(limit.map(Rate::per_second));
    match expected.filter(|rate| *rate > 0.0) {
        None => String::new(),
        Some(rate) => {
            let arriving = if measured.is_some() { arrived as f64 / seconds } else { 0.0 };
            let shown = if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") };
            if arriving >= rate {
                return format!(", {shown}/s, and as many arrive");
            }
            let eta = Duration::from_secs((left as f64 / (rate - arriving)).ceil() as u64);
            let eta = at_most.map_or(eta, |most| eta.min(Duration::from_secs(most.as_secs())));
            format!(", {shown}/s, about {} left", duration::show(eta))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left() {
        let limit = Rate::new(500);
        assert_eq!(pace((0, 1000, 0), Duration::ZERO, None, None), "", "nothing is known yet");
        assert_eq!(pace((0, 1000, 0), Duration::ZERO, limit, None), ", 500/s, about 2s left");
        assert_eq!(pace((100, 900, 0), Duration::from_secs(1), limit, None), ", 100/s, about 9s left");
        assert_eq!(pace((1, 3599, 0), Duration::from_secs(1), None, None), ", 1.0/s, about 59m59s left");
        assert_eq!(
            pace((100, 900, 50), Duration::from_secs(1), limit, None),
            ", 100/s, about 18s left",
            "50 a second arrive"
        );
        assert_eq!(pace((100, 900, 100), Duration::from_secs(1), limit, None), ", 100/s, and as many arrive");
    }
}
