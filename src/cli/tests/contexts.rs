//! Goal: the file that is read is the one that was meant, or the command says why it cannot be told. Method: command lines and
//! made-up environments, with the files of contexts in a folder of the test's own.

use std::ffi::OsString;
use std::path::Path;

use clap::Parser as _;

use crate::cli::{Cli, Failure, config, exit};
use crate::config::{Settings, Sources};

/// A home folder with two contexts.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/flowgate");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("prod.toml"), "brokers = 'prod:9092'\nprefix = 'file'\n").unwrap();
    std::fs::write(folder.join("dev.toml"), "brokers = 'dev:9092'\n").unwrap();
    std::fs::write(home.path().join("other.toml"), "brokers = 'other:9092'\n").unwrap();
    home
}

fn environment(home: &Path, more: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    let more = more.iter().map(|(name, value)| (name.into(), value.into()));
    more.chain([("HOME".into(), home.into())]).collect()
}

fn sources(arguments: &[&str], environment: &[(OsString, OsString)]) -> Result<Sources, Failure> {
    let cli = Cli::try_parse_from(["flowgate"].iter().chain(arguments)).unwrap_or_else(|error| panic!("{error}"));
    cli.global.sources(environment)
}

#[track_caller]
fn brokers(arguments: &[&str], environment: &[(OsString, OsString)]) -> String {
    let sources = sources(arguments, environment).unwrap_or_else(|failure| panic!("{arguments:?}: {failure}"));
    Settings::load(&sources).unwrap().brokers
}

#[test]
fn a_context_is_read_in_place_of_the_usual_file() {
    let home = home();
    let plain = environment(home.path(), &[]);
    assert_eq!(brokers(&["--context", "prod", "flows"], &plain), "prod:9092");
    assert_eq!(brokers(&["flows", "--context=dev"], &plain), "dev:9092");
    let by_variable = environment(home.path(), &[("FLOWGATE_CONTEXT", "prod")]);
    assert_eq!(brokers(&["flows"], &by_variable), "prod:9092");
    assert!(sources(&["flows"], &by_variable).unwrap().warnings().is_empty(), "the variable is known");
}

#[test]
fn the_folder_of_the_standard_goes_before_the_one_below_home() {
    let (home, standard) = (home(), tempfile::tempdir().unwrap());
    std::fs::create_dir(standard.path().join("flowgate")).unwrap();
    std::fs::write(standard.path().join("flowgate/prod.toml"), "brokers = 'standard:9092'\n").unwrap();
    let path = standard.path().to_str().unwrap();
    let set = environment(home.path(), &[("XDG_CONFIG_HOME", path)]);
    assert_eq!(brokers(&["flows", "--context", "prod"], &set), "standard:9092");
    for ignored in ["", "relative"] {
        let set = environment(home.path(), &[("XDG_CONFIG_HOME", ignored)]);
        assert_eq!(brokers(&["flows", "--context", "prod"], &set), "prod:9092", "`{ignored}`");
    }
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_context() {
    let home = home();
    let other = home.path().join("other.toml");
    let other = other.to_str().unwrap();
    let set = environment(home.path(), &[("FLOWGATE_PREFIX", "environment")]);
    let sources = sources(&["flows", "--context", "prod", "--brokers", "flag:1"], &set).unwrap();
    let settings = Settings::load(&sources).unwrap();
    assert_eq!((settings.brokers.as_str(), settings.topics.prefix.as_str()), ("flag:1", "environment"));

    let set = environment(home.path(), &[("FLOWGATE_CONFIG", other)]);
    assert_eq!(brokers(&["flows"], &set), "other:9092");
    assert_eq!(brokers(&["flows", "--context", "prod"], &set), "prod:9092");
    let set = environment(home.path(), &[("FLOWGATE_CONTEXT", "prod")]);
    assert_eq!(brokers(&["flows", "--config", other], &set), "other:9092");
    assert_eq!(brokers(&["flows", "--context", "dev"], &set), "dev:9092");
}

/// Where each is given to another command of the line, clap does not see both.
#[test]
fn a_file_and_a_context_together_are_refused() {
    let home = home();
    let error = Cli::try_parse_from(["flowgate", "flows", "--config", "x", "--context", "prod"]).unwrap_err();
    assert_eq!((error.exit_code(), error.kind()), (2, clap::error::ErrorKind::ArgumentConflict));
    for arguments in [["--config", "x", "flows", "--context", "prod"], ["--context", "prod", "flows", "--config", "x"]]
    {
        let failure = sources(&arguments, &environment(home.path(), &[])).unwrap_err();
        let told = "`--config` and `--context` both name the file with the settings\n  hint: leave one of them away";
        assert_eq!((failure.code, failure.to_string().as_str()), (exit::CONFIGURATION, told));
    }
    let set = environment(home.path(), &[("FLOWGATE_CONFIG", "x"), ("FLOWGATE_CONTEXT", "prod")]);
    let failure = sources(&["flows"], &set).unwrap_err();
    let told = "FLOWGATE_CONFIG and FLOWGATE_CONTEXT both name the file with the settings\n  \
                hint: unset one of them, or give `--config` or `--context`";
    assert_eq!((failure.code, failure.to_string().as_str()), (exit::CONFIGURATION, told));
}

#[test]
fn a_name_that_is_none_is_refused_with_the_way_out() {
    let home = home();
    for (name, what, fix) in [
        ("", "the name is empty", "give one, such as `prod` for the file prod.toml"),
        (".", "that is a folder", "give the name of a context, such as `prod` for the file prod.toml"),
        ("..", "that is a folder", "give the name of a context, such as `prod` for the file prod.toml"),
        ("../x", "the name of a context has no `/`", "a file is given by its path with `--config`"),
        ("/etc/x", "the name of a context has no `/`", "a file is given by its path with `--config`"),
    ] {
        let error = Cli::try_parse_from(["flowgate", "flows", "--context", name]).unwrap_err();
        let told = format!("error: invalid value '{name}' for '--context <NAME>': {what}; {fix}\n");
        assert!(error.exit_code() == 2 && error.to_string().starts_with(&told), "{error}");
        let set = environment(home.path(), &[("FLOWGATE_CONTEXT", name)]);
        let failure = sources(&["flows"], &set).unwrap_err();
        let told = format!("FLOWGATE_CONTEXT: {what}\n  hint: {fix}; or unset FLOWGATE_CONTEXT");
        assert_eq!((failure.code, failure.to_string()), (exit::CONFIGURATION, told));
    }
    let failure = sources(&["flows"], &environment(home.path(), &[("FLOWGATE_CONFIG", "")])).unwrap_err();
    let told =
        "FLOWGATE_CONFIG: the path is empty\n  hint: give one, such as ./flowgate.toml; or unset FLOWGATE_CONFIG";
    assert_eq!((failure.code, failure.to_string().as_str()), (exit::CONFIGURATION, told));
}

#[test]
fn a_context_that_is_not_there_is_told_with_those_that_are() {
    let home = home();
    let folder = home.path().join(".config/flowgate");
    let failure = sources(&["flows", "--context", "prd"], &environment(home.path(), &[])).unwrap_err();
    let told = format!(
        "there is no context `prd`: no file `{}`\n  hint: the contexts there are: `dev`, `prod`",
        folder.join("prd.toml").display()
    );
    assert_eq!((failure.code, failure.to_string()), (exit::CONFIGURATION, told));

    let empty = tempfile::tempdir().unwrap();
    let failure = sources(&["flows", "--context", "prd"], &environment(empty.path(), &[])).unwrap_err();
    let told = format!(
        "there is no context `prd`: no file `{}`\n  \
         hint: there is no context yet: write settings such as `brokers = \"kafka-1:9092\"` into that file",
        empty.path().join(".config/flowgate/prd.toml").display()
    );
    assert_eq!((failure.code, failure.to_string()), (exit::CONFIGURATION, told));

    let failure = sources(&["flows", "--context", "prd"], &[]).unwrap_err();
    let told = "nothing says where the context `prd` is: neither XDG_CONFIG_HOME nor HOME is a path\n  \
                hint: set HOME, or give the file with `--config`";
    assert_eq!((failure.code, failure.to_string().as_str()), (exit::CONFIGURATION, told));
}

/// What is wrong within a context is told like what is wrong in any file, with its path.
#[test]
fn the_settings_say_which_file_was_read() {
    let home = home();
    let plain = environment(home.path(), &[]);
    let path = home.path().join(".config/flowgate/prod.toml").display().to_string();
    let shown = |sources: &Sources, words: &[&str]| {
        let cli = Cli::try_parse_from(["flowgate", "config", "show"].iter().chain(words)).unwrap();
        let crate::cli::Command::Config(command) = cli.command else { panic!("not `config`") };
        let mut out = Vec::new();
        config::run(&command, sources, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let prod = sources(&["flows", "--context", "prod", "--prefix", "p"], &plain).unwrap();
    for format in ["table", "wide"] {
        let text = shown(&prod, &["-o", format]);
        assert!(text.ends_with(&format!("\n\nsettings file: {path}\n")), "{text}");
        let row = text.lines().find(|line| line.starts_with("brokers ")).unwrap();
        assert!(row.contains(&path), "{row}");
    }
    let json: serde_json::Value = serde_json::from_str(&shown(&prod, &["-o", "json"])).unwrap();
    assert_eq!((json["brokers"]["from"].as_str(), json["prefix"]["from"].as_str()), (Some(&*path), Some("flag")));
    assert!(shown(&Sources::new(), &[]).ends_with("\n\nsettings file: none; there is no flowgate.toml here\n"));

    std::fs::write(&path, "workers = 0\n").unwrap();
    let wrong = sources(&["flows", "--context", "prod"], &plain).unwrap();
    let problem = Settings::load(&wrong).unwrap_err().0[0].to_string();
    assert!(problem.starts_with(&format!("`workers` ({path}): ")), "{problem}");
}
