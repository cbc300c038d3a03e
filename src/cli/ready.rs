//! `flowgate ready`

use std::io::{self, Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use super::open::reached;
use super::{Failure, exit};
use crate::config::Settings;

/// Ask this machine's gate whether it is ready: exit code 0 if it is, 1 if not
///
/// For health checks inside a container that has nothing else to ask with. It asks `/readyz` where the setting `http` says that
/// the gate serves, with TLS where `http_tls_certificate` is set.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// For connecting, and for each time that the answer is waited for. Whoever checks health has a limit of their own.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer is some hundred bytes, more where many partitions are missing.
const LARGEST_ANSWER: u64 = 1 << 20;

pub fn run(settings: &Settings, out: &mut dyn Write) -> Result<(), Failure> {
    let address = reached(settings.http);
    let answer = ask(address, settings.http_is_tls).map_err(|error| {
        Failure::new(exit::OTHER, format!("no gate answers on {address}: {error}"))
            .hint("the setting `http` says where it is asked; does `flowgate run` have the same one?")
    })?;
    match Answer::read(&answer) {
        Answer::Ready => Ok(writeln!(out, "ready")?),
        Answer::NotReady(missing) => Err(Failure::new(exit::OTHER, format!("not ready: {missing}"))),
        Answer::Strange(line) => {
            let what = format!("what answers on {address} is no gate: {line}");
            Err(Failure::new(exit::OTHER, what).hint("the setting `http` says where it is asked"))
        }
    }
}

fn ask(address: SocketAddr, is_tls: bool) -> io::Result<Vec<u8>> {
    let connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    if is_tls { exchange(whoever(address, connection)?) } else { exchange(connection) }
}

/// The answer to HTTP/1.0 comes in one piece, and ends with the connection.
fn exchange(mut connection: impl io::Read + io::Write) -> io::Result<Vec<u8>> {
    connection.write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    match connection.take(LARGEST_ANSWER).read_to_end(&mut answer) {
        // Who closes without a word of TLS has told all before.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof || answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

/// TLS with whoever is there, as Kubernetes' probes speak it: the name in the certificate is that by which others reach the gate, and
/// nothing is told or asked here that is secret.
fn whoever(address: SocketAddr, connection: TcpStream) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let provider = Arc::new(ring::default_provider());
    let anybody = Arc::new(Anybody(Arc::clone(&provider)));
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(anybody)
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(client), address.ip().into()).map_err(io::Error::other)?;
    Ok(StreamOwned::new(session, connection))
}

/// Takes every certificate whose owner has the key to it.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Ready,
    /// What is missing.
    NotReady(String),
    /// Its first line.
    Strange(String),
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let first = head.lines().next().unwrap_or_default();
        let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
        let problem = || serde_json::from_str::<Value>(body).unwrap_or_default();
        match status {
            Some("200") if body == "ready\n" => Self::Ready,
            Some("503") => match problem()["detail"].as_str() {
                Some(detail) => Self::NotReady(detail.to_owned()),
                None => Self::Strange(first.to_owned()),
            },
            _ => Self::Strange(first.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::config::Sources;

    /// What the command makes of an answer that something gives on loopback.
    fn told(answer: &'static str) -> Result<String, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let http = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut asked = [0; 64];
            let read = connection.read(&mut asked).unwrap();
            assert!(asked[..read].starts_with(b"GET /readyz "));
            connection.write_all(answer.as_bytes()).unwrap();
        });
        let mut out = Vec::new();
        let outcome = run(&at(&http), &mut out);
        server.join().unwrap();
        outcome.map(|()| String::from_utf8(out).unwrap())
    }

    fn at(http: &str) -> Settings {
        let sources = Sources::new().with_flag("brokers", Some("b:1".to_owned()));
        Settings::load(&sources.with_flag("http", Some(http.to_owned()))).unwrap()
    }

    #[test]
    fn a_gate_that_is_ready() {
        assert_eq!(told("HTTP/1.0 200 OK\r\ncontent-length: 6\r\n\r\nready\n").unwrap(), "ready\n");
    }

    #[test]
    fn a_gate_that_is_not_says_what_is_missing() {
        let answer = "HTTP/1.0 503 Service Unavailable\r\n\r\n{\"detail\": \"worker 0 has not joined the group\"}";
        let failure = told(answer).unwrap_err();
        assert_eq!((failure.code, failure.what.as_str()), (1, "not ready: worker 0 has not joined the group"));
    }

    #[test]
    fn something_else_that_answers_is_no_gate() {
        for (answer, line) in [
            ("HTTP/1.0 404 Not Found\r\n\r\nready\n", "HTTP/1.0 404 Not Found"),
            ("HTTP/1.1 200 OK\r\n\r\n<html>", "HTTP/1.1 200 OK"),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\nlater", "HTTP/1.1 503 Service Unavailable"),
            ("SSH-2.0\r\n", "SSH-2.0"),
            ("", ""),
        ] {
            let failure = told(answer).unwrap_err();
            assert_eq!(failure.code, 1);
            assert!(failure.what.ends_with(&format!(" is no gate: {line}")), "{}", failure.what);
        }
    }

    #[test]
    fn nobody_there_is_told_with_the_address() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let failure = run(&at(&format!("0.0.0.0:{}", free.port())), &mut Vec::new()).unwrap_err();
        assert_eq!(failure.code, 1);
        assert!(failure.what.starts_with(&format!("no gate answers on {free}: ")), "{}", failure.what);
    }
}
