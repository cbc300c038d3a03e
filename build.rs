//! Puts the console into the binary: those files of `console/` that are for browsers, each as it is and compressed, with a tag that
//! changes with its bytes. `src/api/console.rs` serves them.

use std::fmt::Write as _;
use std::io::{Error, Result, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

/// What is for browsers, by how its name ends, and the type that they are told. Whatever ends otherwise is for developers.
const TYPES: [(&str, &str); 7] = [
    ("css", "text/css; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("svg", "image/svg+xml"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
];

/// For developers, though their names end so: settings of tools, and folders with all that is in them.
const NOT: [&str; 7] =
    ["jsconfig.json", "package-lock.json", "package.json", "tsconfig.json", "node_modules", "test", "tests"];

fn main() -> Result<()> {
    let (root, out) = (folder("CARGO_MANIFEST_DIR")?.join("console"), folder("OUT_DIR")?);
    // The folder and everything in it.
    println!("cargo::rerun-if-changed=console");
    let mut paths = Vec::new();
    find(&root, &mut paths)?;
    paths.sort();
    let mut list = String::from("&[\n");
    for (number, (path, kind)) in paths.iter().enumerate() {
        let (plain, gzip) = (root.join(path), out.join(format!("console-{number}.gz")));
        let bytes = fs::read(&plain)?;
        let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
        packed.write_all(&bytes)?;
        let packed = packed.finish()?;
        fs::write(&gzip, &packed)?;
        let tag: String =
            Sha256::digest(&bytes).iter().take(12).fold(String::new(), |tag, byte| format!("{tag}{byte:02x}"));
        let form = |name: &str, from: &Path| {
            format!("Form {{ tag: {:?}, bytes: include_bytes!({from:?}) }}", format!("\"{tag}{name}\""))
        };
        let smaller = match packed.len() < bytes.len() {
            true => format!("Some({})", form("-gzip", &gzip)),
            false => "None".to_owned(),
        };
        let plain = form("", &plain);
        writeln!(list, "    File {{ path: {path:?}, kind: {kind:?}, plain: {plain}, gzip: {smaller} }},")
            .map_err(Error::other)?;
    }
    list.push(']');
    fs::write(out.join("console.rs"), list)
}

fn folder(variable: &str) -> Result<PathBuf> {
    env::var_os(variable).map(PathBuf::from).ok_or_else(|| Error::other(format!("{variable} is not set")))
}

/// The files below a folder that are for browsers: their paths from `root`, with slashes, and their types.
fn find(root: &Path, found: &mut Vec<(String, &'static str)>) -> Result<()> {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
            let name = name.to_string_lossy();
            if name.starts_with('.') || NOT.contains(&&*name) || name.ends_with(".test.js") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let end = name.rsplit_once('.').map_or("", |(_, end)| end);
            if let Some((_, kind)) = TYPES.iter().find(|(known, _)| *known == end) {
                let path = path.strip_prefix(root).map_err(Error::other)?;
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
                found.push((parts.join("/"), kind));
            }
        }
    }
    Ok(())
}
