//! The version before this one, built from its commit.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Which one: a commit or a tag.
const VERSION: &str = include_str!("../faults/previous-version");

/// Its `flowgate`, built by whoever asks first. What was built before is used again.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(build)
}

/// As `tests/faults/previous-version` names it.
pub fn version() -> &'static str {
    VERSION.lines().find(|line| !line.starts_with('#') && !line.is_empty()).unwrap()
}

fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let own = target.join("previous").join(version());
    let source = own.join("source");
    if !source.join("Cargo.toml").exists() {
        take_out(&source);
    }
    // Built beside everything else, so that the crates of others are those that are built already, where they are the same;
    // only what comes of it has a place of its own.
    // Other tests, which run meanwhile, wait for conditions with a bound.
    let mut cargo = Command::new("nice");
    cargo.arg(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--workspace", "--bin", "flowgate", "--locked"]).current_dir(&source);
    run(cargo.env("CARGO_TARGET_DIR", &own).env("CARGO_BUILD_BUILD_DIR", target));
    own.join("debug/flowgate")
}

/// Writes the files of its commit.
fn take_out(source: &Path) {
    let root = env!("CARGO_MANIFEST_DIR");
    let version = version();
    let commit = format!("{version}^{{commit}}");
    let known = Command::new("git").args(["-C", root, "cat-file", "-e", &commit]).output();
    assert!(
        known.as_ref().is_ok_and(|output| output.status.success()),
        "the version before this one ({version}, of tests/faults/previous-version) is not in this repository's history, and nothing can \
         be said of upgrades without it. Of a shallow clone fetch it: `git fetch --depth 1 origin {version}`, or all with \
         `git fetch --unshallow --tags`; without git at all, clone the repository. ({known:?})"
    );
    let files = source.with_extension("tar");
    let half = source.with_extension("half");
    let _ = fs::remove_dir_all(&half);
    fs::create_dir_all(&half).unwrap();
    let git: [&OsStr; 6] =
        ["-C".as_ref(), root.as_ref(), "archive".as_ref(), "-o".as_ref(), files.as_ref(), version.as_ref()];
    run(Command::new("git").args(git));
    run(Command::new("tar").arg("-xf").arg(&files).arg("-C").arg(&half));
    fs::remove_file(&files).unwrap();
    fs::rename(&half, source).unwrap();
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
}
