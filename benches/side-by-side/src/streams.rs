//! The peer: the same gate as a Kafka Streams topology, `streams/` beside this program's source. It is built by Maven.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flowgate::schema::topics::Topics;

use crate::Result;
use crate::child::Contender;

/// As `kafka-run-class.sh` starts clients, and with as much memory as the broker has.
const JVM: [&str; 4] = ["-Xms256m", "-Xmx1g", "-XX:+UseG1GC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];

/// After so many events it is about as fast as it gets.
pub const WARM_UP: u32 = 300_000;

/// Classes and jars, built. They stand in cargo's target directory, as this program does.
pub fn build() -> Result<PathBuf> {
    let pom = Path::new(env!("CARGO_MANIFEST_DIR")).join("streams/pom.xml");
    let program = env::current_exe()?;
    let target = program.parent().and_then(Path::parent).ok_or("this program is not in a target directory")?;
    let directory = target.join("streams");
    let mvn = |more: &[&str]| {
        let mut command = Command::new("mvn");
        command.args(more).args(["-B", "-q", "-f"]).arg(&pom).arg("compile");
        command.arg(format!("-Ddirectory={}", directory.display()));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    // What was fetched once is not asked for again.
    let offline = mvn(&["-o"]).stderr(Stdio::null()).status().map_err(|error| format!("mvn: {error}"))?;
    if !offline.success() && !mvn(&[]).status()?.success() {
        let pom = pom.display();
        return Err(format!("Maven could not build `streams` ({pom}); `--contestant` names others").into());
    }
    Ok(directory)
}

pub fn start(built: &Path, directory: &Path, brokers: &str, topics: &Topics) -> Result<Contender> {
    let classes = format!("{0}/classes:{0}/jars/*", built.display());
    let Topics { group, enrollments, control, records, .. } = topics;
    let mut args: Vec<String> = JVM.map(str::to_owned).to_vec();
    args.extend(["-cp", &classes, "Main", brokers, group, enrollments, control, records].map(str::to_owned));
    Contender::start(directory, Path::new("java"), &args, &[])
}

/// Where it keeps held events for itself, in as many partitions as the events have.
pub fn changelog(topics: &Topics) -> String {
    format!("{}-queue-changelog", topics.group)
}

/// What the names of all topics start with that it makes.
pub fn made_topics(topics: &Topics) -> String {
    format!("{}-", topics.group)
}
