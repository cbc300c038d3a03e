//! Secrets stay secrets: whatever a command prints or logs, and however it goes wrong.
//!
//! Goal: no value under `[kafka]` that may be a secret comes out of any command. Method: every command of the command
//! line's own definition is run with secrets planted in each way they can be given, well spelt and misspelt, with all of
//! librdkafka's debugging on, against brokers that are not there and one that answers nonsense; and everything it wrote
//! is searched.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::{PATIENCE, process};

/// Planted. No text of ours and none of librdkafka's has it by chance.
const SECRET: &str = "hunter2-4711";

/// What every command of the definition is to be called with. A new one has to be added here.
fn called(path: &[String]) -> Vec<&'static str> {
    match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["demo"] => vec!["--fast", "--brokers"],
        ["run"] => vec!["--instance", "x", "--http", "127.0.0.1:0"],
        ["pause"] => vec!["welcome", "other", "--yes"],
        ["resume"] => vec!["--select", "match=welcome*", "--dry-run"],
        ["forget" | "flow"] => vec!["welcome"],
        ["queue"] => vec!["welcome", "--values", "--where", "/a=b"],
        ["audit"] => vec!["--follow"],
        ["letters", "dead" | "discarded"] => vec!["welcome", "--values"],
        ["release"] => vec!["welcome", "--count", "1"],
        ["purge"] => vec!["welcome", "--yes"],
        ["redrive"] => vec!["discarded", "--flow", "welcome", "--yes"],
        ["flows"] => vec!["--watch", "--select", "state=paused"],
        ["positions", "restore"] => vec!["--partition", "0", "--to-record"],
        ["topics", "create" | "check"] | ["positions"] | ["config", "check" | "show"] => vec![],
        ["token", "create"] => vec!["ci", "--role", "viewer"],
        ["open"] => vec!["--print"],
        ["ready"] => vec![],
        ["acls"] => vec!["viewer", "--check"],
        ["capacity"] => vec!["--rate", "1", "--flows", "1", "--held", "1"],
        ["completions"] => vec!["bash"],
        ["man" | "schema"] => vec![],
        _ => panic!("a new command: say here how `{}` is called", path.join(" ")),
    }
}

/// Whether it looks at files and the environment. What does not cannot find them wrong either.
fn reads_settings(path: &[String]) -> bool {
    !path.first().is_some_and(|name| ["completions", "man", "schema", "token"].contains(&name.as_str()))
}

/// The paths of all commands that do something by themselves.
fn commands(of: &clap::Command, before: &[String]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for command in of.get_subcommands().filter(|command| command.get_name() != "help") {
        let path = [before, &[command.get_name().to_owned()]].concat();
        all.extend(commands(command, &path));
        if !command.is_subcommand_required_set() {
            all.push(path);
        }
    }
    all
}

impl Planted {
    /// Whoever does not serve HTTP does not read these.
    fn is_in_a_file_of_http(&self) -> bool {
        ["http_tokens_file", "http_secret_file", "http_tls_", "headers_file"]
            .iter()
            .any(|name| self.file.contains(name))
    }
}

/// One way of giving a secret.
#[derive(Default)]
struct Planted {
    name: &'static str,
    file: String,
    /// Files beside it, which it names.
    files: Vec<(&'static str, String)>,
    environment: Vec<(&'static str, Vec<u8>)>,
    arguments: Vec<String>,
    /// Whether it is refused before anything else, with exit code 2.
    refused: bool,
}

fn planted() -> Vec<Planted> {
    let file = |name, text: String, refused| Planted { name, file: text, refused, ..Planted::default() };
    let environment = |name, variable, value: Vec<u8>, refused| {
        let (environment, file) = (vec![(variable, value)], "[kafka]\nsecurity.protocol = 'SSL'\n".to_owned());
        Planted { name, file, environment, refused, ..Planted::default() }
    };
    let flag = |name, arguments: &[String]| Planted {
        name,
        arguments: arguments.to_vec(),
        refused: true,
        ..Planted::default()
    };
    let named = |name, file: String, contents: &str, refused| Planted {
        name,
        file,
        files: vec![("secret", contents.to_owned())],
        refused,
        ..Planted::default()
    };
    let set = |text: String| ["-X".to_owned(), text];
    let login = "security.protocol = 'SASL_SSL'\nsasl.mechanism = 'PLAIN'\nsasl.username = 'ops'\n";
    // Nobody issues tokens there.
    let issued = "security.protocol = 'SASL_SSL'\nsasl.mechanism = 'OAUTHBEARER'\nsasl.oauthbearer.method = 'oidc'\n\
                  sasl.oauthbearer.client.id = 'gate'\nsasl.oauthbearer.token.endpoint.url = 'http://127.0.0.1:1/token'\n";
    let token = "security.protocol = 'SASL_SSL'\nsasl.mechanism = 'OAUTHBEARER'\n\
                 enable.sasl.oauthbearer.unsecure.jwt = true\n";
    vec![
        file("a password", format!("[kafka]\n{login}sasl.password = '{SECRET}'\n"), false),
        file("a secret of OAuth", format!("[kafka]\n{token}sasl.oauthbearer.config = 'principal=x {SECRET}'\n"), false),
        file(
            "a secret of OpenID Connect",
            format!("[kafka]\n{issued}sasl.oauthbearer.client.secret = '{SECRET}'\n"),
            false,
        ),
        named(
            "a secret of OpenID Connect in a file",
            format!("[kafka]\n{issued}sasl.oauthbearer.client.secret.file = './secret'\n"),
            SECRET,
            false,
        ),
        file(
            "a secret of OpenID Connect without the rest",
            format!("[kafka]\nsasl.mechanism = 'OAUTHBEARER'\nsasl.oauthbearer.client.secret = '{SECRET}'\n"),
            true,
        ),
        file("a key that is none", format!("[kafka]\nsecurity.protocol = 'SSL'\nssl.key.pem = '{SECRET}'\n"), false),
        file("a password misspelt", format!("[kafka]\n{login}sasl.pasword = '{SECRET}'\n"), true),
        file("a line of JAAS", format!("[kafka]\nsasl.jaas.config = 'x required password=\"{SECRET}\";'\n"), true),
        file("outside of [kafka]", format!("sasl.password = '{SECRET}'\n"), true),
        file("no TOML", format!("[kafka]\nsasl.password = {SECRET}\n"), true),
        file("a login among the brokers", format!("brokers = 'ops:{SECRET}@127.0.0.1:1'\n"), true),
        named("a password in a file", format!("[kafka]\n{login}sasl.password.file = './secret'\n"), SECRET, false),
        named(
            "two lines in a file",
            format!("[kafka]\n{login}sasl.password.file = './secret'\n"),
            &format!("x\n{SECRET}\n"),
            false,
        ),
        file("a password in the place of its file", format!("[kafka]\n{login}sasl.password.file = '{SECRET}'\n"), true),
        named("a file that nobody may name", "[kafka]\nclient.id.file = './secret'\n".to_owned(), SECRET, true),
        named(
            "a token in the place of its hash",
            "http_tokens_file = './secret'\n".to_owned(),
            &format!("ci:admin:{SECRET}"),
            true,
        ),
        named("a token alone", "http_tokens_file = './secret'\n".to_owned(), SECRET, true),
        file(
            "headers for a collector",
            format!("[otlp]\nendpoint = 'http://127.0.0.1:1'\nheaders = 'authorization=Bearer {SECRET}'\n"),
            false,
        ),
        file("a header without a name", format!("[otlp]\nheaders = '{SECRET}'\n"), true),
        file("headers in the place of their file", format!("[otlp]\nheaders_file = '{SECRET}'\n"), true),
        file("a token in the place of its file", format!("http_tokens_file = '{SECRET}'\n"), true),
        named("a secret of HTTP", "http_secret_file = './secret'\n".to_owned(), &format!("{SECRET} {SECRET}"), false),
        named("a short secret of HTTP", "http_secret_file = './secret'\n".to_owned(), SECRET, true),
        named(
            "a key of TLS that is none",
            "http_tls_certificate = './secret'\nhttp_tls_key = './secret'\n".to_owned(),
            &format!("-----BEGIN CERTIFICATE-----\n{SECRET}\n-----END CERTIFICATE-----\n{SECRET}"),
            true,
        ),
        environment("a variable", "FLOWGATE_KAFKA__SASL_PASSWORD", SECRET.into(), false),
        environment("a variable misspelt", "FLOWGATE_KAFKA__SASL_PASWORD", SECRET.into(), true),
        environment("a variable of one `_`", "FLOWGATE_KAFKA_SASL_PASSWORD", SECRET.into(), false),
        environment("no UTF-8", "FLOWGATE_KAFKA__SASL_PASSWORD", [SECRET.as_bytes(), b"\xff"].concat(), true),
        flag("a flag", &set(format!("kafka.sasl.password={SECRET}"))),
        flag("a flag misspelt", &set(format!("kafka.sasl.pasword={SECRET}"))),
        flag("a flag with a colon", &set(format!("kafka.sasl.password:{SECRET}"))),
        flag("a flag with a colon and a `=`", &set(format!("kafka.sasl.password:{SECRET}=="))),
        flag("a flag of its own", &[format!("--kafka.sasl.password={SECRET}")]),
        flag("two words", &["--sasl.password".to_owned(), SECRET.to_owned()]),
        flag("two words after -X", &["-X".to_owned(), "kafka.sasl.password".to_owned(), SECRET.to_owned()]),
        flag("a login in a URL", &set(format!("kafka.sasl.oauthbearer.token.endpoint.url=https://a:{SECRET}@b/"))),
    ]
}

struct Running {
    what: String,
    child: Child,
    directory: tempfile::TempDir,
    ends_by_itself: bool,
    refused: bool,
}

impl Running {
    fn start(path: &[String], planted: &Planted, brokers: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let before = "log.level = 'trace'\n";
        let file = match planted.file.strip_prefix("brokers") {
            Some(_) => format!("{before}{}", planted.file),
            None => format!("{before}brokers = '{brokers}'\n{}", planted.file),
        };
        std::fs::write(directory.path().join("flowgate.toml"), file).unwrap();
        for (name, contents) in &planted.files {
            std::fs::write(directory.path().join(name), contents).unwrap();
        }
        let mut command: Command = process::flowgate(brokers, "secrets", &[]);
        if planted.file.starts_with("brokers") {
            command.env_remove("FLOWGATE_BROKERS");
        }
        command.current_dir(directory.path()).args(path);
        for argument in called(path) {
            command.arg(argument);
            // A demo goes to the brokers that it is given by name, and needs none else.
            if argument == "--brokers" {
                command.arg(if planted.file.starts_with("brokers") { "ops:x@127.0.0.1:1" } else { brokers });
            }
        }
        command.args(["-X", "kafka.debug=all"]).args(&planted.arguments);
        for (variable, value) in &planted.environment {
            command.env(variable, std::ffi::OsString::from_vec(value.clone()));
        }
        let file = |name| File::create(directory.path().join(name)).unwrap();
        let child = command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn().unwrap();
        if planted.arguments.is_empty() {
            // Where its arguments do not have it, its command line has not. (It may have ended already.)
            let line = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap_or_default();
            assert!(
                !String::from_utf8_lossy(&line).contains(SECRET),
                "{}: it stands on the command line",
                planted.name
            );
        }
        let ends_by_itself = path != ["run"];
        Self {
            what: format!("`{}`, {}", path.join(" "), planted.name),
            child,
            directory,
            ends_by_itself,
            refused: planted.refused
                && (reads_settings(path) || !planted.arguments.is_empty())
                && (!planted.is_in_a_file_of_http() || ["run", "config"].contains(&path[0].as_str())),
        }
    }

    fn wrote(&self) -> String {
        let read =
            |name| String::from_utf8_lossy(&std::fs::read(self.directory.path().join(name)).unwrap()).into_owned();
        format!("{}\n--- stderr\n{}", read("out"), read("err"))
    }

    /// Waits for its end, or for a gate that cannot reach its brokers, or whoever issues its tokens, to say so.
    fn judge(mut self, began: Instant) -> String {
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            let says = |what| self.wrote().contains(what);
            let waits = !self.ends_by_itself
                && (says("waiting for the brokers") || says("waiting for a token for the brokers"));
            if waits || began.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                assert!(waits, "{} did not end:\n{}", self.what, self.wrote());
                break None;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        let (what, wrote) = (&self.what, self.wrote());
        // Half of it would be too much.
        assert!(!wrote.contains(SECRET) && !wrote.contains("hunter2"), "{what}: the secret was printed:\n{wrote}");
        assert!(!wrote.contains("panicked"), "{what}:\n{wrote}");
        if self.refused {
            assert_eq!(code, Some(2), "{what}:\n{wrote}");
        }
        wrote
    }
}

/// A broker that answers nonsense to whoever connects: a login over TLS is refused at once.
fn nonsense() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });
    address
}

#[test]
fn no_command_prints_a_secret() {
    let all = commands(&flowgate::cli::definition(), &[]);
    assert!(all.len() >= 12, "{all:?}");
    let (nonsense, mut logs) = (nonsense(), String::new());
    for planted in planted() {
        // One broker answers nonsense, the other does not answer.
        for brokers in [nonsense.as_str(), "127.0.0.1:1"] {
            if brokers != nonsense && (planted.refused || planted.name != "a password") {
                continue;
            }
            let began = Instant::now();
            let running: Vec<_> = all.iter().map(|path| Running::start(path, &planted, brokers)).collect();
            for running in running {
                logs.push_str(&running.judge(began));
            }
        }
    }
    // The search has seen what it is about.
    for seen in [
        "kafka.sasl.password",
        "********",
        "wrong version number",
        "beginning at:********",
        "librdkafka",
        "DEBUG",
        "`ps`",
    ] {
        assert!(logs.contains(seen), "nothing printed `{seen}`");
    }
}
