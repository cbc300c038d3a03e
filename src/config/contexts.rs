//! Contexts: files of settings that are called by a name, one for each cluster that somebody works with.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The name of a context: of its file without `.toml`. It leads into no other folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContextName(String);

impl ContextName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContextName {
    type Err = String;

    /// # Errors
    /// What is wrong with the text, and what to write instead.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = match text {
            "" => "the name is empty; give one, such as `prod` for the file prod.toml",
            "." | ".." => "that is a folder; give the name of a context, such as `prod` for the file prod.toml",
            _ if text.contains('/') => "the name of a context has no `/`; a file is given by its path with `--config`",
            _ => return Ok(Self(text.to_owned())),
        };
        Err(wrong.to_owned())
    }
}

/// The folder with the files of all contexts.
#[derive(Clone, Debug)]
pub struct Contexts {
    folder: PathBuf,
}

const EXTENSION: &str = ".toml";

impl Contexts {
    /// `$XDG_CONFIG_HOME/flowgate`, or `~/.config/flowgate`. `None`: this environment has no home folder.
    #[must_use]
    pub fn of(environment: &[(OsString, OsString)]) -> Option<Self> {
        // The standard has a path that is not absolute ignored, and an empty one is none.
        let folder = |name: &str| variable(environment, name).map(Path::new).filter(|path| path.is_absolute());
        let home = || Some(folder("HOME")?.join(".config"));
        let of_all = folder("XDG_CONFIG_HOME").map(Path::to_owned).or_else(home)?;
        Some(Self { folder: of_all.join("flowgate") })
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of a context, whether it is there or not.
    #[must_use]
    pub fn file(&self, name: &ContextName) -> PathBuf {
        self.folder.join(format!("{}{EXTENSION}", name.as_str()))
    }

    /// Those that are there, in the order of the alphabet. None, if the folder cannot be read.
    #[must_use]
    pub fn names(&self) -> Vec<ContextName> {
        let name = |entry: std::fs::DirEntry| {
            let is_file = entry.path().is_file();
            let name = entry.file_name().to_str()?.strip_suffix(EXTENSION)?.parse().ok()?;
            is_file.then_some(name)
        };
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        let mut names: Vec<ContextName> = entries.filter_map(|entry| name(entry.ok()?)).collect();
        names.sort();
        names
    }
}

/// The value of a variable.
#[must_use]
pub fn variable<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_os_str())
}
