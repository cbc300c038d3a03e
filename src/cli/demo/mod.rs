//! `flowgate demo`: on the memory broker, or on a cluster that was named for it.

mod site;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::connect::{connect, kafka};
use super::failure::{Failure, exit, fail};
use super::global::Global;
use super::log::log;
use super::run;
use crate::config::Settings;
use crate::demo::backend::Backend;
use crate::demo::cluster::{Cluster, Setup};
use crate::demo::signals::{self, Signals};
use crate::demo::simulation::Simulation;
use crate::demo::{self, fast, live};
use crate::instance::StopSign;

/// See pausing and resuming at work on 18 months of real purchases: one process, nothing installed
///
/// In a terminal, a table of the flows with keys to pause and resume them; q ends it. Without a terminal (into a pipe or
/// a file), a line a day while a scripted operator pauses and resumes; Ctrl-C ends it.
///
/// But with --fast it serves the gate's console too, for this machine alone: on http://127.0.0.1:8714/, or on another port,
/// told at its start, if that one is taken.
///
/// With --brokers it runs on that cluster, on topics of its own: their names start with a prefix that is made for it
/// (flowgate-demo-DATE-TIME; --prefix gives another beginning). At its end it removes them, unless --keep was given. A
/// pause lasts as long as its days of the calendar take, and at least a second. FLOWGATE_BROKERS alone does not make it
/// touch a cluster.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Play everything at once with a scripted operator, print what happened, and prove that every event has one fate
    ///
    /// Ends by itself: with 0 if the independent checker finds nothing wrong in the topics, else with 1.
    #[arg(long)]
    fast: bool,

    /// How long a day of the calendar takes, such as 250ms, 1s or 2m
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, conflicts_with = "fast")]
    day: Duration,

    /// Leave the topics on the cluster at the end, to look into them
    #[arg(long)]
    keep: bool,
}

/// What the prefix of a demo starts with.
const PREFIX: &str = "flowgate-demo";

impl Demo {
    pub fn run(self, global: &Global) -> ExitCode {
        let done = match (&global.brokers, self.keep) {
            (Some(_), _) => self.on_cluster(global),
            (None, false) => self.in_memory(),
            (None, true) => {
                Err(Failure::new(exit::CONFIGURATION, "`--keep` is for a demo on a cluster: there is none")
                    .hint("name its brokers with `--brokers`, or leave `--keep` away"))
            }
        };
        match done {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(failure) => fail(&failure),
        }
    }

    fn in_memory(&self) -> Result<bool, Failure> {
        if !self.fast {
            signals::at_hangup(0, || ())?;
        }
        match self.play::<Simulation>(()) {
            Err(failure) if failure.is_closed_pipe() => Ok(true),
            Err(failure @ demo::Failure::Output(_)) => Err(early(&failure)),
            Err(failure) => Err(early(&failure)
                .hint("it needs nothing from outside, so this is a defect of flowgate: please report it")),
            Ok(holds) => Ok(holds),
        }
    }

    fn on_cluster(&self, global: &Global) -> Result<bool, Failure> {
        let mut settings = Settings::load(&global.sources_of_process()?)?;
        // Lines of a log would stand across the table; what blocks the gate is shown below it.
        if self.fast || !live::has_terminal() {
            log(settings.log.format, "error");
        }
        // Without its end there is no proof.
        let early = i32::from(self.fast);
        let signals = Signals::watch(early)?;
        let prefix = global.prefix.as_deref().unwrap_or(PREFIX);
        let topics = site::prepare(&connect(&settings)?, prefix, crate::clock::now())?;
        settings.topics = topics.clone();
        // Nobody comes back to a demo: its place in the group would only wait for its session to end.
        settings.instance_is_given = false;
        let (kafka, stop) = (kafka(&settings), StopSign::default());
        run::watch(&kafka, |_| {})?;
        let site = site::Site { broker: kafka.clone(), brokers: settings.brokers.clone(), topics, keep: self.keep };
        site.introduce();
        signals::at_hangup(early, {
            let (site, stop) = (site.clone(), stop.clone());
            move || site.leave_at_once(&stop)
        })?;
        let workers = settings.each_worker(crate::clock::now());
        let setup = Setup { broker: kafka, topics: settings.topics, workers, stop, signals };
        let done = match self.play::<Cluster<_>>(setup) {
            Err(failure) if failure.is_closed_pipe() => Ok(true),
            Err(demo::Failure::Interrupted) if !self.fast => Ok(true),
            Err(failure) => Err(Failure::from(failure)),
            Ok(holds) => Ok(holds),
        };
        match (done, site.leave()) {
            (Err(failure), Err(left)) => {
                // Legible already, with a hint in a line of its own. Nobody may be reading.
                let _ = writeln!(io::stderr(), "{left}");
                Err(failure)
            }
            (done, left) => done.and_then(|holds| left.map(|()| holds)),
        }
    }

    /// `false`: the proof does not hold.
    fn play<B: Backend>(&self, setup: B::Setup) -> Result<bool, demo::Failure> {
        if !self.fast {
            return live::run::<B>(setup, self.day).map(|()| true);
        }
        let mut out = BufWriter::new(io::stdout().lock());
        let holds = fast::run::<B>(&mut out, setup)?;
        out.flush()?;
        Ok(holds)
    }
}

fn early(failure: &demo::Failure) -> Failure {
    let code = match failure {
        demo::Failure::Gate(stop) => stop.exit_code(),
        _ => exit::OTHER,
    };
    Failure::new(code, format!("the demo ended early: {failure}"))
}

/// On a cluster: the sentences of the other commands where it is the cluster's matter.
impl From<demo::Failure> for Failure {
    fn from(failure: demo::Failure) -> Self {
        match failure {
            demo::Failure::Broker(error) => error.into(),
            demo::Failure::Gate(stop) => stop.into(),
            demo::Failure::Output(error) => error.into(),
            demo::Failure::Prefix(why) => Self::new(exit::CONFIGURATION, why.to_string()),
            failure => early(&failure),
        }
    }
}

/// A whole number with its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err("give a whole number with its unit, such as 250ms, 1s or 2m".to_owned()),
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(milliseconds)) {
        Some(milliseconds @ 1..=86_400_000) => Ok(Duration::from_millis(milliseconds)),
        _ => Err("give something from 1ms to 1440m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let read = ["1ms", "250ms", "1s", "2m"].map(|text| duration(text).unwrap().as_millis());
        assert_eq!(read, [1, 250, 1_000, 120_000]);
        for text in ["", "1", "s", "0s", "-1s", "1.5s", "1 s", "1h", "1441m", "99999999999999999999ms"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
