//! HTTP over TLS: the same limits as without it, and certificates that are replaced.

#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "../../../tests/support/tls.rs"]
mod tls;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ProtocolVersion, SupportedProtocolVersion};

use self::tls::{Client, client};
use super::super::Certificates;
use super::serving::{LARGE, MOMENT, Served, heard, is_problem, patient};
use super::*;
use crate::config::tests::certificates::make;
use crate::config::{Hash, NamedFile, Role, TlsFiles, Token};

/// Certificates of an authority of their own.
struct Authority(tempfile::TempDir);

impl Authority {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        Self(directory)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn certificates(&self) -> Certificates {
        let file = |field: &str, name| NamedFile { field: field.to_owned(), path: self.file(name) };
        let files = TlsFiles { certificate: file("certificate", "server.crt"), key: file("key", "server.key") };
        let [certificate, key] = files.read().unwrap();
        Certificates::new(files.pair([&certificate, &key]).unwrap().server)
    }

    /// Trusts this authority alone. The handshake is made by the first byte that is sent.
    fn client(&self, socket: TcpStream, versions: &[&'static SupportedProtocolVersion]) -> Client {
        client(&self.file("ca.crt"), socket, versions)
    }

    fn sent(&self, served: &Served, bytes: &str) -> Client {
        let mut client = self.client(served.connect(), &[&TLS12, &TLS13]);
        client.write_all(bytes.as_bytes()).unwrap();
        client
    }

    fn get(&self, served: &Served, path: &str) -> String {
        heard(self.sent(served, &request(path)))
    }
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[test]
fn requests_are_answered_over_tls_1_2_and_1_3() {
    let authority = Authority::new();
    let served = Served::encrypted(patient(), authority.certificates());
    for (version, number) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut client = authority.client(served.connect(), &[version]);
        client.write_all(request("/livez").as_bytes()).unwrap();
        let mut answer = String::new();
        // It ends with TLS's own sign, or this would be an error.
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
        assert_eq!(client.conn.protocol_version(), Some(number));
    }
    assert!(authority.get(&served, "/large").len() > LARGE);
    let strange = heard(authority.sent(&served, "nonsense\r\n\r\n"));
    is_problem(&strange, 400, "malformed-request");
    assert!(!strange.contains("TLS"), "{strange}");
    // Somebody else's authority has not signed it.
    let stranger = Authority::new();
    let mut refuses = stranger.client(served.connect(), &[&TLS13]);
    assert!(refuses.write_all(b"x").is_err());
    eventually("told", || served.refused("handshake") == 1);
}

/// Goal: who does not speak TLS is told so, gets nothing else, and does no harm.
#[test]
fn a_request_without_tls_is_refused_in_words_that_its_sender_reads() {
    let authority = Authority::new();
    let served = Served::encrypted(patient(), authority.certificates());
    for sent in [request("/metrics").as_str(), "x", "\r\n\r\n"] {
        let answer = heard(served.sent(sent));
        is_problem(&answer, 400, "tls-needed");
        assert!(answer.contains("https://") && !answer.contains("flowgate_"), "{answer}");
    }
    // What begins as a handshake does, and is none.
    assert_eq!(heard(served.sent("\u{16}\u{3}\u{1}\u{0}\u{4}\u{1}\u{0}\u{0}\u{0}")).matches("HTTP").count(), 0);
    eventually("both are counted", || (served.refused("no_tls"), served.refused("handshake")) == (3, 1));
    // Whoever only looks whether somebody listens is no attack.
    drop(served.connect());
    eventually("its handle is back", || served.metric("http_connections") == 0);
    assert_eq!((served.refused("no_tls"), served.refused("handshake")), (3, 1));
    assert!(authority.get(&served, "/livez").starts_with("HTTP/1.1 200"));
}

/// Goal: a handshake that is not completed is closed in time, whatever part of it came, and however slowly.
#[test]
fn a_handshake_that_hangs_is_closed() {
    let authority = Authority::new();
    let served = Served::encrypted(Limits { headers: MOMENT, ..patient() }, authority.certificates());
    for part in ["", "\u{16}", "\u{16}\u{3}\u{1}"] {
        assert_eq!(heard(served.sent(part)), "");
    }
    let mut trickles = served.sent("\u{16}\u{3}\u{1}\u{1}\u{0}");
    eventually("closed", || {
        let _ = trickles.write_all(&[0]);
        served.refused("handshake") == 4
    });
    eventually("their handles are back", || served.metric("http_connections") == 0);
}

/// Goal: the limits of requests hold behind the handshake, and what they say arrives.
#[test]
fn the_limits_of_requests_hold_over_tls() {
    let authority = Authority::new();
    let served = Served::encrypted(Limits { answer: MOMENT, ..patient() }, authority.certificates());
    let _deaf = authority.sent(&served, "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    eventually("cut off", || served.refused("late_reader") == 1 && served.metric("http_connections") == 0);
    let served = Served::encrypted(Limits { idle: MOMENT, ..patient() }, authority.certificates());
    let answer = heard(authority.sent(&served, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert!(answer.ends_with("ok\n"), "{answer}");
    let served =
        Served::encrypted(Limits { headers: Duration::from_millis(300), ..patient() }, authority.certificates());
    // On a busy machine the handshake may be late instead.
    eventually("told", || {
        let mut client = authority.client(served.connect(), &[&TLS13]);
        let answer = client.write_all(b"GET /livez HT").map_or_else(|_| String::new(), |()| heard(client));
        let told = !answer.is_empty();
        told.then(|| is_problem(&answer, 408, "headers-late")).is_some()
    });
    assert_eq!(served.refused("late_headers"), 1);
}

#[test]
fn a_crowd_of_half_handshakes_locks_nobody_out() {
    const CROWD: usize = 100;
    let authority = Authority::new();
    let served = Served::encrypted(Limits { connections: 4, ..patient() }, authority.certificates());
    let crowd: Vec<TcpStream> = (0..CROWD).map(|_| served.sent("\u{16}\u{3}\u{1}\u{1}")).collect();
    eventually("answered", || {
        let mut client = authority.client(served.connect(), &[&TLS13]);
        client.write_all(request("/livez").as_bytes()).is_ok() && heard(client).starts_with("HTTP/1.1 200")
    });
    eventually("all but some gave way", || served.refused("crowded") >= CROWD as u64 - 4);
    drop(crowd);
    eventually("the handles are back", || served.metric("http_connections") == 0);
}

/// Goal: a new certificate is shown to whoever connects, and connections that are open go on.
#[test]
fn a_certificate_is_replaced_without_a_gap() {
    let (before, after) = (Authority::new(), Authority::new());
    let certificates = before.certificates();
    let served = Served::encrypted(patient(), certificates.clone());
    let mut open = before.sent(&served, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut first = [0; 16];
    open.read_exact(&mut first).unwrap();
    certificates.replace(after.certificates().current());
    assert!(after.get(&served, "/livez").starts_with("HTTP/1.1 200"));
    assert!(before.client(served.connect(), &[&TLS13]).write_all(b"x").is_err());
    open.write_all(request("/livez").as_bytes()).unwrap();
    assert_eq!(heard(open).matches("ok\n").count(), 2, "its own rest, and the second answer");
}

/// Goal: a browser that has logged in over TLS sends its cookie no other way, whatever it says of where it comes from.
#[test]
fn cookies_are_for_tls_alone() {
    let authority = Authority::new();
    let token = Token { name: "v".to_owned(), role: Role::Viewer, hash: Hash::of("secret") };
    let login = |tls| {
        let setup = Setup { tokens: vec![token.clone()], tls, ..setup() };
        post(&new_board(), &setup, "/api/v1/session", &serde_json::json!({"token": "secret"}), &[])
    };
    let cookie = |answer: Answer| answer.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie(login(Some(authority.certificates()))).ends_with("; Secure"));
    assert!(!cookie(login(None)).contains("Secure"));
}
