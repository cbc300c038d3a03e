//! `--context NAME`: which file has the settings, where it is called by a name.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap_complete::{ArgValueCompleter, CompletionCandidate};

use super::failure::{Failure, exit};
use crate::config::{ContextName, Contexts};
use crate::legible::legible;

/// The file of a context.
///
/// # Errors
/// [`exit::CONFIGURATION`]: there is no such file; or the environment names no home folder.
pub fn file(name: &ContextName, environment: &[(OsString, OsString)]) -> Result<PathBuf, Failure> {
    let called = name.as_str();
    let contexts = Contexts::of(environment).ok_or_else(|| {
        let what = format!("nothing says where the context `{called}` is: neither XDG_CONFIG_HOME nor HOME is a path");
        Failure::new(exit::CONFIGURATION, what).hint("set HOME, or give the file with `--config`")
    })?;
    let file = contexts.file(name);
    // Whatever else is wrong with the file is told when it is read.
    if std::fs::metadata(&file).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        let what = format!("there is no context `{called}`: no file `{}`", file.display());
        let names: Vec<String> = contexts.names().iter().map(|name| format!("`{}`", name.as_str())).collect();
        let hint = match names.is_empty() {
            true => {
                "there is no context yet: write settings such as `brokers = \"kafka-1:9092\"` into that file".into()
            }
            false => format!("the contexts there are: {}", names.join(", ")),
        };
        return Err(Failure::new(exit::CONFIGURATION, what).hint(hint));
    }
    Ok(file)
}

/// For every argument that is the name of a context.
pub fn names() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let environment: Vec<_> = std::env::vars_os().collect();
        beginning(current, &environment).into_iter().map(CompletionCandidate::new).collect()
    })
}

/// The names that begin so, but for those with signs that a terminal obeys.
fn beginning(begun: &OsStr, environment: &[(OsString, OsString)]) -> Vec<String> {
    let begun = begun.to_string_lossy();
    let names = Contexts::of(environment).map(|contexts| contexts.names()).unwrap_or_default();
    let names = names.iter().map(|name| name.as_str().to_owned());
    names.filter(|name| name.starts_with(&*begun) && legible(name) == *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_begin_so_are_completed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".config/flowgate");
        std::fs::create_dir_all(folder.join("folder.toml")).unwrap();
        for name in ["prod.toml", "proof.toml", "dev.toml", "pro\u{1b}[2J.toml", "notes.txt", ".toml", "..toml"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let environment = [("HOME".into(), home.path().into())];
        assert_eq!(beginning(OsStr::new("pro"), &environment), ["prod", "proof"]);
        assert_eq!(beginning(OsStr::new(""), &environment), ["dev", "prod", "proof"]);
        assert!(beginning(OsStr::new(""), &[]).is_empty());
    }
}
