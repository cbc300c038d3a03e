//! `flowgate completions SHELL`, and what is completed: commands, options, their values, flow ids, and contexts.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use clap_complete::env::Shells;
use clap_complete::{ArgValueCompleter, CompleteEnv, CompletionCandidate, Shell};

use super::connect::kafka;
use super::failure::{Failure, exit};
use super::global::Global;
use crate::broker::{Broker, Result};
use crate::client::states::States;
use crate::config::Settings;
use crate::legible::legible;
use crate::schema::topics::Topics;

/// Complete commands, options, flow ids and contexts in a shell
///
/// bash: `source <(flowgate completions bash)` in ~/.bashrc; zsh: the same with zsh in ~/.zshrc; fish: `flowgate completions
/// fish | source` in ~/.config/fish/config.fish.
///
/// Flow ids are asked of the brokers that the settings or the command line name; what has not come within 300 ms is left out.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_enum)]
    shell: Shell,
}

/// Set by the script that the shell has read, when it asks for completions.
const VARIABLE: &str = "_FLOWGATE_COMPLETE";

const NAME: &str = "flowgate";

/// Nobody waits longer for a list at a prompt; the process needs some of the 300 ms itself.
const PATIENCE: Duration = Duration::from_millis(250);

/// More is no help at a prompt.
const MOST: usize = 1_000;

pub fn run(args: &Args, out: &mut dyn Write) -> std::result::Result<(), Failure> {
    let (name, shells) = (args.shell.to_string(), Shells::builtins());
    let shell = shells.completer(&name).ok_or_else(|| {
        let what = format!("flow ids cannot be completed in {name}");
        Failure::new(exit::CONFIGURATION, what).hint("use bash, elvish, fish, powershell or zsh")
    })?;
    Ok(shell.write_registration(VARIABLE, NAME, NAME, NAME, out)?)
}

/// Answers a shell that asks for completions; `None`: this process was started for something else.
pub fn answer(definition: fn() -> clap::Command) -> Option<ExitCode> {
    let asked = CompleteEnv::with_factory(definition).var(VARIABLE).bin(NAME);
    match asked.try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        // A message would stand in the middle of what is being typed.
        Err(_) => Some(ExitCode::from(exit::OTHER)),
    }
}

/// For every argument that is a flow id.
pub fn flow_ids() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let begun = current.to_string_lossy().into_owned();
        let found = within(PATIENCE, move |found| {
            let sources = typed(std::env::args_os()).sources_of_process();
            let Some(settings) = sources.ok().and_then(|sources| Settings::load_without_http(&sources).ok()) else {
                return;
            };
            let kafka = kafka(&settings);
            // Whatever goes wrong: what is known by then is all there is.
            let _ = kafka.connect(PATIENCE).and_then(|()| gather(&kafka, &settings.topics, &begun, found));
        });
        found.into_iter().take(MOST).map(CompletionCandidate::new).collect()
    })
}

/// The settings among the words typed so far, which are no complete command line.
fn typed(words: impl Iterator<Item = OsString>) -> Global {
    let mut global = Global { config: None, context: None, brokers: None, prefix: None, set: Vec::new() };
    let mut words = words.skip_while(|word| word != "--").map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        if !["--config", "--context", "--brokers", "--prefix"].contains(&name.as_str()) {
            continue;
        }
        let value = value.or_else(|| words.next());
        match name.as_str() {
            "--config" => global.config = value.map(PathBuf::from),
            "--context" => global.context = value.and_then(|name| name.parse().ok()),
            "--brokers" => global.brokers = value,
            _ => global.prefix = value,
        }
    }
    global
}

/// What has been found when the work is done, or when the time is over: the work is left alone then.
fn within(limit: Duration, work: impl FnOnce(&Mutex<BTreeSet<String>>) + Send + 'static) -> BTreeSet<String> {
    let found = Arc::new(Mutex::new(BTreeSet::new()));
    let (done, until) = mpsc::channel();
    let into = Arc::clone(&found);
    let worker = thread::Builder::new().spawn(move || {
        work(&into);
        // Nobody waits any more when it took too long.
        let _ = done.send(());
    });
    if worker.is_ok() {
        let _ = until.recv_timeout(limit);
    }
    let found = found.lock().unwrap_or_else(PoisonError::into_inner);
    found.clone()
}

/// The ids that begin so, but for those with signs that a terminal obeys.
fn gather<B: Broker>(broker: &B, topics: &Topics, begun: &str, found: &Mutex<BTreeSet<String>>) -> Result<()> {
    let mut states = States::open(broker, topics)?;
    while !states.is_caught_up()? {
        for id in states.poll_changed()?.into_iter().filter(|id| id.starts_with(begun) && legible(id) == *id) {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            match states.flows.contains_key(id.as_str()) {
                true => found.insert(id),
                false => found.remove(&id),
            };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::cli::tests::Place;
    use crate::cli::tests::flows::{live, paused_now, write};

    fn completed(words: &[&str]) -> Vec<String> {
        let words: Vec<OsString> = [NAME].iter().chain(words).map(OsString::from).collect();
        let last = words.len() - 1;
        let found = clap_complete::engine::complete(&mut crate::cli::definition(), words, last, None).unwrap();
        found.iter().map(|found| found.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn commands_options_and_their_values_are_completed() {
        assert_eq!(completed(&["pa"]), ["pause"]);
        assert_eq!(completed(&["flows", "--sort", "h"]), ["held"]);
        assert_eq!(completed(&["flows", "-o", "json"]), ["json", "jsonl"]);
        assert_eq!(completed(&["schema", "cli/fl"]), ["cli/flow", "cli/flows"]);
        assert!(completed(&["resume", "--dry"]).contains(&"--dry-run".to_owned()));
    }

    #[test]
    fn each_shell_gets_a_script_that_asks_this_program() {
        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
            let mut out = Vec::new();
            run(&Args { shell }, &mut out).unwrap();
            let script = String::from_utf8(out).unwrap();
            assert!(script.contains(VARIABLE) && script.contains(NAME), "{shell}: {script}");
        }
    }

    #[test]
    fn flow_ids_that_begin_so_are_found() {
        let place = Place::new();
        write(&place, &[live("promo-1"), paused_now("promo-2", 3), live("promo\n3"), live("promo-4"), live("welcome")]);
        place.forget("promo-4");
        let found = Mutex::new(BTreeSet::new());
        gather(&place.memory, &place.settings.topics, "promo", &found).unwrap();
        assert_eq!(found.into_inner().unwrap().into_iter().collect::<Vec<_>>(), ["promo-1", "promo-2"]);
    }

    /// Goal: a prompt does not hang on brokers that do not answer, and shows what has come. Method: work that goes on for
    /// half a minute, of which the first id comes at once.
    #[test]
    fn what_comes_too_late_is_left_out() {
        let began = Instant::now();
        let found = within(PATIENCE, |found| {
            found.lock().unwrap().insert("soon".to_owned());
            thread::sleep(Duration::from_secs(30));
            found.lock().unwrap().insert("late".to_owned());
        });
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["soon"]);
        assert!(began.elapsed() < Duration::from_secs(15));
        let all = within(Duration::from_secs(30), |found| {
            found.lock().unwrap().insert("all".to_owned());
        });
        assert_eq!(all.len(), 1, "whoever is done is not waited for any longer");
    }

    #[test]
    fn the_brokers_on_the_command_line_are_asked() {
        let words = ["flowgate", "--brokers", "no", "--", "flowgate", "--brokers=a:1", "pause", "--prefix", "x", "w"];
        let global = typed(words.iter().map(OsString::from));
        assert_eq!((global.brokers.as_deref(), global.prefix.as_deref()), (Some("a:1"), Some("x")));
        let context =
            typed(["flowgate", "--", "flowgate", "--context", "prod", "flow"].iter().map(OsString::from)).context;
        assert_eq!(context.unwrap().as_str(), "prod");
        assert!(typed(["flowgate", "--", "flowgate", "--brokers"].iter().map(OsString::from)).brokers.is_none());
    }
}
