//! Files that settings name, for what should stand in no setting itself: keys, passwords, tokens. They may be replaced while the gate
//! runs, so what they hold can be read again.

use std::fmt;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// No secret and no chain of certificates is as large. More is a wrong file, which is not to fill the memory.
const LARGEST: u64 = 1 << 20;

/// A file that a setting names.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// The setting's name.
    pub field: String,
    pub path: PathBuf,
}

/// A file, and what it held when it was read at the start.
#[derive(Clone, Debug)]
pub struct ReadFile {
    pub file: NamedFile,
    pub fingerprint: Fingerprint,
}

/// Tells contents apart without keeping them.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    #[must_use]
    pub fn of(contents: &[u8]) -> Self {
        Self(Sha256::digest(contents).into())
    }
}

/// Without the hash.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint")
    }
}

impl fmt::Debug for NamedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.field, self.path.display())
    }
}

impl NamedFile {
    /// # Errors
    /// What is wrong with the text: it may be the secret itself, and is not told then.
    pub fn new(field: &str, text: &str) -> Result<Self, String> {
        if is_path(text) {
            return Ok(Self { field: field.to_owned(), path: PathBuf::from(text) });
        }
        Err("it is no path, and not told: it may be the secret itself".to_owned())
    }

    /// What is in it.
    ///
    /// # Errors
    /// Why it cannot be used, with its path.
    pub fn read(&self) -> Result<Vec<u8>, String> {
        let contents = contents(&self.path).map_err(|why| format!("`{}` {why}", self.path.display()))?;
        match contents.is_empty() {
            true => Err(format!("`{}` is empty", self.path.display())),
            false => Ok(contents),
        }
    }

    /// The text among such contents, without the newline at the end that editors add.
    ///
    /// # Errors
    /// Why it is none, with the file's path.
    pub fn text(&self, contents: &[u8]) -> Result<String, String> {
        let path = self.path.display();
        let text = std::str::from_utf8(contents).map_err(|_| format!("`{path}` holds no UTF-8"))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.contains('\0') {
            return Err(format!("`{path}` has a NUL byte in it"));
        }
        if text.is_empty() { Err(format!("`{path}` is empty")) } else { Ok(text.to_owned()) }
    }
}

/// How paths of such files begin. A word alone is more likely to be what should be in the file.
#[must_use]
pub fn is_path(text: &str) -> bool {
    ["/", "./", "../"].iter().any(|start| text.starts_with(start)) && !text.chars().any(char::is_control)
}

/// What to write where [`is_path`] says no.
pub const PATH: &str = "give the path of a file, beginning with `/` or `./`";

fn contents(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    // A pipe would have us wait for whoever writes to it.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("is no file".to_owned());
    }
    let mut contents = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut contents)).map_err(cannot)?;
    match contents.len() as u64 > LARGEST {
        true => Err("is larger than 1 MiB".to_owned()),
        false => Ok(contents),
    }
}
