//! The processes of contestants: they end with this one, however it ends.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::Result;

#[derive(clap::Args)]
pub struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// Asks to be killed when the parent ends, and becomes the program: what was asked for outlives that.
pub fn become_tied(args: &Args) -> Result<()> {
    tie()?;
    let [program, rest @ ..] = args.command.as_slice() else { return Err("no program".into()) };
    Err(format!("{program}: {}", Command::new(program).args(rest).exec()).into())
}

fn tie() -> Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// A program that ends with this one, in a directory where no configuration lies about.
pub fn tied(directory: &Path, program: &Path, args: &[String], env: &[(&str, &str)]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FLOWGATE_") {
            command.env_remove(name);
        }
    }
    command.arg("tied").arg(program).args(args).envs(env.iter().copied()).current_dir(directory);
    Ok(command)
}

/// A running contestant.
pub struct Contender {
    child: Child,
    log: PathBuf,
}

impl Contender {
    /// Starts a program in a directory of its own.
    pub fn start(directory: &Path, program: &Path, args: &[String], env: &[(&str, &str)]) -> Result<Self> {
        let log = directory.join("log");
        let mut command = tied(directory, program, args, env)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        Ok(Self { child: command.spawn()?, log })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error if it has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("it ended with {status}:\n{}", self.last_words()).into()),
        }
    }

    /// Asks it to stop (SIGTERM), and waits until it has ended.
    pub fn stop(mut self) -> Result<()> {
        const LIMIT: Duration = Duration::from_secs(30);
        self.check()?;
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("it stopped with {status}:\n{}", self.last_words()).into()),
                None if Instant::now() > deadline => return Err(format!("it does not stop within {LIMIT:?}").into()),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) -> Result<()> {
        self.check()?;
        drop(self);
        Ok(())
    }

    /// What it has logged.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    /// The end of what it logged.
    pub fn last_words(&self) -> String {
        let text = self.log().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
