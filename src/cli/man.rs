//! `flowgate man [DIR]`

use std::io::Write;
use std::path::PathBuf;

use super::{Failure, exit};
use crate::legible::legible;

/// Write the manual: to standard output, or a page for each command into a folder
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Such as /usr/local/share/man/man1; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub fn run(args: &Args, definition: clap::Command, out: &mut dyn Write) -> Result<(), Failure> {
    // A page about `help` helps nobody.
    let definition = definition.disable_help_subcommand(true);
    let Some(folder) = &args.folder else {
        return Ok(clap_mangen::Man::new(definition).render(out)?);
    };
    let cannot = |error: std::io::Error| {
        let what = format!("the manual cannot be written to `{}`: {error}", folder.display());
        Failure::new(exit::OTHER, what).hint("give a folder that you may write to")
    };
    std::fs::create_dir_all(folder).map_err(cannot)?;
    clap_mangen::generate_to(definition, folder).map_err(cannot)?;
    writeln!(out, "the pages are in `{}`", legible(&folder.to_string_lossy()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::definition;

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("man1");
        let mut out = Vec::new();
        run(&Args { folder: Some(inner.clone()) }, definition(), &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().starts_with("the pages are in `"));
        for name in ["flowgate", "flowgate-pause", "flowgate-topics-create", "flowgate-positions-restore"] {
            let page = std::fs::read_to_string(inner.join(format!("{name}.1"))).unwrap();
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
        }
        let count = std::fs::read_dir(&inner).unwrap().count();
        assert!(!inner.join("flowgate-help.1").exists() && count >= 16, "{count}");
        let pause = std::fs::read_to_string(inner.join("flowgate-pause.1")).unwrap();
        assert!(pause.contains("dry") && pause.contains("events are held until a resume"), "{pause}");
        assert!(pause.contains("FLOWGATE_CONTEXT") && pause.contains("FLOWGATE_CONFIG"), "{pause}");

        let mut out = Vec::new();
        run(&Args { folder: None }, definition(), &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("Exit codes: 0 done"));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let failure = run(&Args { folder: Some(file.path().join("x")) }, definition(), &mut Vec::new()).unwrap_err();
        assert_eq!(failure.code, exit::OTHER);
        assert!(failure.what.contains(&file.path().display().to_string()), "{failure}");
    }
}
