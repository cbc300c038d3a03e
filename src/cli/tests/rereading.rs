//! Files of settings that change while a gate runs.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::cli::reread::Watched;
use crate::config::{Fingerprint, NamedFile};

/// One file, and what was taken of it.
struct Scene {
    directory: tempfile::TempDir,
    watched: Watched,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    /// What begins with `bad` is refused.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (path, taken) = (directory.path().join("file"), Arc::<Mutex<Vec<String>>>::default());
        fs::write(&path, "one").unwrap();
        let (file, takes) = (NamedFile { field: "field".to_owned(), path }, Arc::clone(&taken));
        let watched = Watched::new(vec![(file, Fingerprint::of(b"one"))], move |contents| {
            let text = String::from_utf8(contents[0].clone()).unwrap();
            takes.lock().unwrap().push(text.clone());
            if text.starts_with("bad") { Err("it is bad".to_owned()) } else { Ok(()) }
        });
        Self { directory, watched, taken }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("file")
    }

    /// Writes it, looks, and says what was taken by then and whether the file is refused.
    fn looks(&mut self, text: &str, times: usize) -> (Vec<String>, bool) {
        fs::write(self.path(), text).unwrap();
        (0..times).for_each(|_| self.watched.look());
        self.taken()
    }

    fn taken(&self) -> (Vec<String>, bool) {
        (self.taken.lock().unwrap().clone(), self.watched.is_refused())
    }
}

fn only(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn what_has_changed_is_taken_once_when_two_looks_have_seen_the_same() {
    let mut scene = Scene::new();
    assert_eq!(scene.looks("one", 3), (only(&[]), false));
    // It is being written.
    assert_eq!(scene.looks("tw", 1), (only(&[]), false));
    assert_eq!(scene.looks("two", 1), (only(&[]), false));
    assert_eq!(scene.looks("two", 1), (only(&["two"]), false));
    assert_eq!(scene.looks("two", 3), (only(&["two"]), false));
    // A file that was replaced by the same is none that has changed, whatever its time says.
    fs::remove_file(scene.path()).unwrap();
    assert_eq!(scene.looks("two", 3), (only(&["two"]), false));
}

#[test]
fn what_is_wrong_is_refused_once_and_until_it_changes() {
    let mut scene = Scene::new();
    assert_eq!(scene.looks("bad", 5), (only(&["bad"]), true));
    // What is in use is there again: there is nothing to be taken.
    assert_eq!(scene.looks("one", 2), (only(&["bad"]), false));
    assert_eq!(scene.looks("bad again", 2), (only(&["bad", "bad again"]), true));
    assert_eq!(scene.looks("three", 2), (only(&["bad", "bad again", "three"]), false));
    fs::remove_file(scene.path()).unwrap();
    scene.watched.look();
    scene.watched.look();
    assert_eq!(scene.taken(), (only(&["bad", "bad again", "three"]), true), "a file that is gone");
    assert_eq!(scene.looks("three", 2), (only(&["bad", "bad again", "three"]), false));
}
