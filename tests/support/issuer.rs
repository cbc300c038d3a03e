//! Who issues tokens: an OpenID Connect provider as small as it can be. Its token endpoint speaks TLS and can be taken down; where its
//! keys are, brokers ask without TLS, and always get them.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring};

/// The principal of every token.
pub const SUBJECT: &str = "svc-flowgate";
pub const AUDIENCE: &str = "kafka";
pub const CLIENT: &str = "gate";

pub struct Issuer {
    rules: Arc<Rules>,
    tls: Arc<ServerConfig>,
    port: u16,
    keys: Served,
    tokens: Mutex<Option<Served>>,
}

struct Rules {
    folder: TempDir,
    secret: Mutex<String>,
    /// How long a token lives.
    lives: Duration,
    /// The forms of those that were issued.
    issued: Mutex<Vec<String>>,
}

impl Issuer {
    /// With a certificate for 127.0.0.1 that `certificates` in this folder has made.
    pub fn start(certificates: &Path, secret: &str, lives: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        openssl(folder.path(), &["genrsa", "-out", "key.pem", "2048"], &[]);
        let (secret, issued) = (Mutex::new(secret.to_owned()), Mutex::default());
        let rules = Arc::new(Rules { folder, secret, lives, issued });
        let chain = CertificateDer::pem_file_iter(certificates.join("server.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(certificates.join("server.key")).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let tls = Arc::new(builder.with_single_cert(chain.map(Result::unwrap).collect(), key).unwrap());
        let keys = {
            let rules = Arc::clone(&rules);
            Served::start(listen(0), move |stream| answer(stream, |_, _| (200, rules.keys())))
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let issuer = Self { rules, tls, port, keys, tokens: Mutex::default() };
        issuer.up();
        issuer
    }

    /// Where it issues tokens.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/token", self.port)
    }

    /// Where its keys are (JWKS).
    pub fn keys_url(&self) -> String {
        format!("http://127.0.0.1:{}/keys", self.keys.port)
    }

    /// Nobody listens at the token endpoint any more.
    pub fn down(&self) {
        drop(self.tokens.lock().unwrap().take());
    }

    pub fn up(&self) {
        let (rules, tls) = (Arc::clone(&self.rules), Arc::clone(&self.tls));
        let serve = move |stream: TcpStream| {
            let session = ServerConnection::new(Arc::clone(&tls)).unwrap();
            answer(StreamOwned::new(session, stream), |head, form| rules.token(head, form));
        };
        *self.tokens.lock().unwrap() = Some(Served::start(listen(self.port), serve));
    }

    /// Only this secret gets tokens from now on.
    pub fn set_secret(&self, secret: &str) {
        secret.clone_into(&mut self.rules.secret.lock().unwrap());
    }

    /// The forms of the requests that got tokens.
    pub fn issued(&self) -> Vec<String> {
        self.rules.issued.lock().unwrap().clone()
    }
}

impl Rules {
    fn token(&self, head: &str, form: &str) -> (u16, String) {
        let login = STANDARD.encode(format!("{CLIENT}:{}", self.secret.lock().unwrap()));
        if !head.starts_with("POST /token ") || !head.contains(&format!("Basic {login}")) {
            let refusal = json!({"error": "invalid_client", "error_description": "Invalid client secret provided"});
            return (401, refusal.to_string());
        }
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let ends = now + self.lives.as_secs();
        let head = json!({"alg": "RS256", "kid": "one", "typ": "JWT"}).to_string();
        let claims = json!({"sub": SUBJECT, "aud": AUDIENCE, "iat": now, "exp": ends, "scope": "kafka"}).to_string();
        let signed = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = openssl(self.folder.path(), &["dgst", "-sha256", "-sign", "key.pem"], signed.as_bytes());
        self.issued.lock().unwrap().push(form.to_owned());
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        let answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": self.lives.as_secs()});
        (200, answer.to_string())
    }

    fn keys(&self) -> String {
        let modulus = openssl(self.folder.path(), &["rsa", "-in", "key.pem", "-noout", "-modulus"], &[]);
        let modulus = String::from_utf8(modulus).unwrap();
        let digits = modulus.trim().strip_prefix("Modulus=").unwrap();
        let bytes: Vec<u8> =
            (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
        let key = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "one", "e": "AQAB",
            "n": URL_SAFE_NO_PAD.encode(bytes)});
        json!({"keys": [key]}).to_string()
    }
}

/// A server that ends with this.
pub struct Served {
    pub port: u16,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub fn start(listener: TcpListener, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let port = listener.local_addr().unwrap().port();
        let (ends, serve) = (Arc::new(AtomicBool::new(false)), Arc::new(serve));
        let is_ending = Arc::clone(&ends);
        let accept = move || {
            for stream in listener.incoming() {
                if is_ending.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(stream));
            }
        };
        Self { port, ends, thread: Some(std::thread::spawn(accept)) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // It wakes up, and sees that.
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.thread.take().into_iter().for_each(|thread| thread.join().unwrap());
    }
}

pub fn listen(port: u16) -> TcpListener {
    TcpListener::bind(("127.0.0.1", port)).unwrap()
}

/// Answers one request with JSON, and closes the connection.
fn answer(stream: impl Read + Write, answer: impl Fn(&str, &str) -> (u16, String)) {
    exchange(stream, |head, body| {
        let (status, text) = answer(head, std::str::from_utf8(body).unwrap());
        (status, text.into_bytes())
    });
}

/// Answers one request, and closes the connection. Whoever breaks off is none of our business.
pub fn exchange(stream: impl Read + Write, answer: impl Fn(&str, &[u8]) -> (u16, Vec<u8>)) {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let (status, bytes) = answer(&head, &body);
    let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close", bytes.len());
    let _ = write!(stream.get_mut(), "HTTP/1.1 {status} x\r\n{headers}\r\n\r\n");
    let _ = stream.get_mut().write_all(&bytes);
    let _ = stream.get_mut().flush();
}

fn openssl(folder: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(args).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("`openssl` does not run: {error}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {args:?}");
    output.stdout
}

/// A file that is replaced in one go, so that no half of it is ever there.
pub fn replace(file: &PathBuf, contents: &str) {
    let new = file.with_extension("new");
    std::fs::write(&new, contents).unwrap();
    std::fs::rename(&new, file).unwrap();
}
