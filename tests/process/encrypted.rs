//! A gate whose files are replaced while it runs: the certificate of HTTP, and tokens.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Instant;

use flowgate::config::Hash;
use tokio_rustls::rustls::version::TLS13;

use super::process::{self, eventually};
use super::server::certificates;
use super::tls::{answer, client};
use super::{PATIENCE, expect, finish};

/// A folder as Kubernetes mounts secrets: names that lead to a link to a folder, which alone is replaced.
struct Mounted(PathBuf);

impl Mounted {
    fn new(folder: &Path, names: &[&str]) -> Self {
        fs::create_dir(folder).unwrap();
        for name in names {
            symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
        }
        Self(folder.to_owned())
    }

    /// Puts other files in the place of those that there are, all at once.
    fn replace(&self, files: &[(&str, Vec<u8>)]) {
        let version = tempfile::Builder::new().prefix("..version").tempdir_in(&self.0).unwrap().keep();
        for (name, contents) in files {
            fs::write(version.join(name), contents).unwrap();
        }
        symlink(&version, self.0.join("..data_tmp")).unwrap();
        fs::rename(self.0.join("..data_tmp"), self.0.join("..data")).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

/// A gate without brokers, which serves HTTP all the same; it is killed with its test.
struct Alone {
    child: Child,
    http: String,
    log: PathBuf,
}

impl Alone {
    fn start(folder: &Path, settings: &[(&str, String)]) -> Self {
        let (mut command, http) = process::gate("127.0.0.1:1", "alone", "one");
        for (name, value) in settings {
            command.env(format!("FLOWGATE_{name}"), value);
        }
        let log = folder.join("log");
        command.env("FLOWGATE_LOG__LEVEL", "debug").stdin(Stdio::null()).stderr(File::create(&log).unwrap());
        Self { child: command.spawn().unwrap(), http, log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    fn get(&self, authority: &Path, path: &str, headers: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        answer(authority, &self.http, &request)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Certificate and key of an authority that is made in this folder.
fn pair(folder: &Path) -> [(&'static str, Vec<u8>); 2] {
    certificates::make(folder);
    [("tls.crt", "server.crt"), ("tls.key", "server.key")]
        .map(|(name, file)| (name, fs::read(folder.join(file)).unwrap()))
}

/// Goal: a certificate is replaced while the gate runs, as Kubernetes replaces it; one that is broken is refused and told, and the
/// one before stays in use until there is a good one.
#[test]
fn the_certificate_of_http_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    let [first, second] = [&one, &two].map(|folder| pair(folder));
    let mounted = Mounted::new(&folder.path().join("tls"), &["tls.crt", "tls.key"]);
    mounted.replace(&first);
    let settings = [("HTTP_TLS_CERTIFICATE", mounted.path("tls.crt")), ("HTTP_TLS_KEY", mounted.path("tls.key"))];
    let gate = Alone::start(folder.path(), &settings);
    let shows =
        |name: &str| gate.get(&folder.path().join(name).join("ca.crt"), "/livez", "").starts_with("HTTP/1.1 200");
    let says = |name: &str, line: &str| {
        gate.get(&folder.path().join(name).join("ca.crt"), "/metrics", "").contains(&format!("\nflowgate_{line}"))
    };
    eventually("up", || shows("one"));
    assert!(!shows("two"));
    assert!(
        says("one", "http_certificate_expiry_timestamp_seconds 17")
            || says("one", "http_certificate_expiry_timestamp_seconds 18")
    );

    mounted.replace(&second);
    eventually("the second one is shown", || shows("two") && !shows("one"));

    // A key that does not belong to it; then half a certificate.
    mounted.replace(&[first[0].clone(), second[1].clone()]);
    eventually("refused", || says("two", "refused_files 1\n"));
    mounted.replace(&[("tls.crt", first[0].1[..100].to_vec()), first[1].clone()]);
    eventually("both are told", || {
        let log = gate.log();
        log.contains("does not belong to the certificate") && log.contains("is no PEM, or was cut off")
    });
    assert!(shows("two"));
    // Whoever asks whether it is ready needs none of these files: it waits for brokers, and says so over TLS.
    let mut ready = process::flowgate("127.0.0.1:1", "alone", &["ready", "-X", &format!("http={}", gate.http)]);
    ready.envs(settings.iter().map(|(name, value)| (format!("FLOWGATE_{name}"), value)));
    let (_, said) = expect(1, &finish(ready));
    assert!(said.starts_with("error: not ready: waiting for the brokers"), "{said}");
    mounted.replace(&first);
    eventually("the first one is shown again", || shows("one") && says("one", "refused_files 0\n"));
    assert_eq!(gate.log().matches("are refused, what they held before stays in use").count(), 2, "{}", gate.log());
    let key = String::from_utf8(first[1].1.clone()).unwrap();
    assert!(!gate.log().contains(key.lines().nth(1).unwrap()));
}

#[test]
fn a_gate_does_not_start_with_a_broken_certificate() {
    let folder = tempfile::tempdir().unwrap();
    pair(&folder.path().join("tls"));
    let path = |file: &str| folder.path().join("tls").join(file);
    let (mut command, _) = process::gate("127.0.0.1:1", "alone", "one");
    command.env("FLOWGATE_HTTP_TLS_CERTIFICATE", path("server.crt")).env("FLOWGATE_HTTP_TLS_KEY", path("client.key"));
    let (_, told) = super::expect(2, &super::finish(command));
    let says = format!(
        "`http_tls_key` (FLOWGATE_HTTP_TLS_KEY): `{}` does not belong to the certificate",
        path("client.key").display()
    );
    assert!(told.contains(&says) && told.contains("give the key that the certificate was made for"), "{told}");
}

/// Goal: a token that was taken out of its file lets nobody in any more, and what is followed with it ends; the others go on.
#[test]
fn a_token_is_taken_away_while_the_gate_runs() {
    let folder = tempfile::tempdir().unwrap();
    let tls = pair(&folder.path().join("one"));
    let authority = folder.path().join("one/ca.crt");
    let mounted = Mounted::new(&folder.path().join("secrets"), &["tls.crt", "tls.key", "tokens"]);
    let line = |name: &str| format!("{name}:viewer:{}\n", hash(&format!("token of {name}")));
    let replace = |tokens: String| mounted.replace(&[tls[0].clone(), tls[1].clone(), ("tokens", tokens.into_bytes())]);
    replace(line("stays") + &line("goes"));
    let settings = [
        ("HTTP_TLS_CERTIFICATE", mounted.path("tls.crt")),
        ("HTTP_TLS_KEY", mounted.path("tls.key")),
        ("HTTP_TOKENS_FILE", mounted.path("tokens")),
    ];
    let gate = Alone::start(folder.path(), &settings);
    let bearer = |name: &str| format!("Authorization: Bearer token of {name}\r\n");
    let may = |name: &str| gate.get(&authority, "/api/v1/whoami", &bearer(name)).starts_with("HTTP/1.1 200");
    eventually("up", || may("goes"));
    assert!(may("stays") && !may("stranger"));
    let socket = TcpStream::connect(&gate.http).unwrap();
    // The end of what is followed is waited for, no longer than for anything else.
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut follows = client(&authority, socket, &[&TLS13]);
    let request =
        format!("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\n", bearer("goes"));
    follows.write_all(request.as_bytes()).unwrap();

    replace(line("stays"));
    let mut told = String::new();
    // A comment comes every now and then: without an end of its own this would never be over.
    let began = Instant::now();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = follows.read(&mut piece) {
        told.push_str(&String::from_utf8_lossy(&piece[..length]));
        assert!(began.elapsed() < PATIENCE, "it goes on: {told}");
    }
    assert!(told.starts_with("HTTP/1.1 200") && told.contains("session-ended") && told.contains("revoked"), "{told}");
    assert!(!may("goes") && may("stays"));
    // Nobody at all would be a mistake: those before stay.
    replace(String::new());
    eventually("told", || gate.log().contains("is empty"));
    assert!(may("stays") && !gate.log().contains("token of"));
}

fn hash(token: &str) -> String {
    Hash::of(token).0.iter().map(|byte| format!("{byte:02x}")).collect()
}
