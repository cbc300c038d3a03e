//! HTTP over sockets: whoever is slow, or sends without end, is closed; and the others are answered.
//!
//! Method: all limits of time are an hour but the one that a test is about, which is a moment. So only that one can be what
//! ended a connection, however busy the machine is.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::super::serve::{Accept, serve};
use super::super::{Certificates, guarded, paths};
use super::*;

pub(super) const MOMENT: Duration = Duration::from_millis(50);
const HOUR: Duration = Duration::from_secs(3600);

/// More than what sockets hold for somebody who does not read.
pub(super) const LARGE: usize = 64 << 20;

pub(super) fn patient() -> Limits {
    Limits { headers: HOUR, body: HOUR, answer: HOUR, idle: HOUR, pause: MOMENT, ..Limits::default() }
}

/// What listens, after some errors.
struct Failing {
    listener: TcpListener,
    errors: Vec<io::Error>,
    board: Arc<Board>,
    /// Connections that were open when another one was asked for.
    most: Arc<AtomicU64>,
}

impl Accept for Failing {
    async fn accept(&mut self) -> io::Result<(tokio::net::TcpStream, SocketAddr)> {
        self.most.fetch_max(metric(&self.board, "http_connections"), Ordering::Relaxed);
        match self.errors.pop() {
            Some(error) => Err(error),
            None => TcpListener::accept(&self.listener).await,
        }
    }
}

pub(super) struct Served {
    pub address: SocketAddr,
    board: Arc<Board>,
    most: Arc<AtomicU64>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn new(limits: Limits) -> Self {
        Self::failing(limits, Vec::new())
    }

    pub fn encrypted(limits: Limits, certificates: Certificates) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, limits, Vec::new(), Some(certificates))
    }

    fn failing(limits: Limits, errors: Vec<io::Error>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, limits, errors, None)
    }

    fn on(listener: std::net::TcpListener, limits: Limits, errors: Vec<io::Error>, tls: Option<Certificates>) -> Self {
        let board = Arc::new(Board::new(Metrics::new().unwrap(), 1));
        let (most, address) = (Arc::<AtomicU64>::default(), listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let (end, ended) = oneshot::channel();
        let (on, seen) = (Arc::clone(&board), Arc::clone(&most));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let serving = async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let accept = Failing { listener, errors, board: Arc::clone(&on), most: seen };
            let paths = paths(&on, &Setup { tls: tls.clone(), ..setup() }, limits)
                .route("/endless", get(endless))
                .route("/large", get(|| async { vec![b'x'; LARGE] }));
            let router = guarded(paths, &on, Hosts::new(address, &[]), limits);
            tokio::select! {
                never = serve(accept, router, on.metrics.clone(), limits, tls) => match never {},
                _ = ended => {}
            }
        };
        let thread = std::thread::spawn(move || runtime.block_on(serving));
        Self { address, board, most, end: Some(end), thread: Some(thread) }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        // What this is waited for would otherwise never come.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    pub fn sent(&self, bytes: &str) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        stream
    }

    fn get(&self, path: &str) -> String {
        heard(self.sent(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")))
    }

    pub fn refused(&self, reason: &str) -> u64 {
        self.metric(&format!("http_refused_total{{reason=\"{reason}\"}}"))
    }

    pub fn metric(&self, series: &str) -> u64 {
        metric(&self.board, series)
    }

    fn refused_in_all(&self) -> u64 {
        crate::metrics::Refused::ALL.iter().map(|why| self.refused(why.word())).sum()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.end.take());
        let ended = self.thread.take().unwrap().join();
        assert!(std::thread::panicking() || ended.is_ok());
    }
}

fn metric(board: &Board, series: &str) -> u64 {
    let (text, start) = (board.metrics.text(), format!("flowgate_{series} "));
    text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
}

/// Everything until the other side closes, which TLS calls an end too early where nothing was said.
pub(super) fn heard(mut stream: impl io::Read) -> String {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => {}
        Err(error) => {
            use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
            let is_end = [BrokenPipe, ConnectionReset, UnexpectedEof].contains(&error.kind());
            assert!(is_end, "it stays open: {error}");
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[track_caller]
pub(super) fn is_problem(answer: &str, status: u16, kind: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(head.contains("application/problem+json"), "{answer}");
    let problem: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    assert_eq!(
        (&problem["type"], &problem["status"]),
        (&format!("urn:flowgate:problem:{kind}").into(), &status.into())
    );
}

/// Sends the same again and again, and reads on the side, until the other side has closed.
fn send_without_end(mut stream: TcpStream, piece: &'static str) -> String {
    let mut writer = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || while writer.write_all(piece.as_bytes()).is_ok() {});
    let mut all = Vec::new();
    // A reset may come right behind the answer: there was more to read than anybody wanted.
    let _ = stream.read_to_end(&mut all);
    let _ = stream.shutdown(std::net::Shutdown::Both);
    sender.join().unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn a_request_that_is_not_completed_is_closed() {
    let served = Served::new(Limits { headers: MOMENT, ..patient() });
    for part in ["", "GET", "GET /livez HTTP/1.1\r\nHost: local", "GET /livez HTTP/1.1\r\nHost: localhost\r\n"] {
        is_problem(&heard(served.sent(part)), 408, "headers-late");
    }
    assert_eq!(served.refused("late_headers"), 4);
    // The second one of a connection has no more time than the first, if that was sent in time on a busy machine.
    eventually("the second one is late", || {
        let mut stream = served.sent("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut first = [0; 8192];
        let length = stream.read(&mut first).unwrap();
        let answered = String::from_utf8_lossy(&first[..length]).ends_with("\r\n\r\nok\n");
        answered && stream.write_all(b"GET /livez").is_ok() && heard(stream).starts_with("HTTP/1.1 408")
    });
}

#[test]
fn bytes_that_trickle_in_win_no_time() {
    let served = Served::new(Limits { headers: MOMENT, ..patient() });
    let mut stream = served.sent("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ");
    eventually("closed", || {
        let _ = stream.write_all(b"x");
        served.refused("late_headers") == 1
    });
    eventually("its handle is back", || served.metric("http_connections") == 0);
}

/// A streamed answer that never ends.
async fn endless() -> axum::response::Response {
    let pieces =
        futures_util::stream::repeat(Ok::<_, std::convert::Infallible>(axum::body::Bytes::from_static(&[b'x'; 65536])));
    let mut answer = axum::response::IntoResponse::into_response(Body::from_stream(pieces));
    answer.extensions_mut().insert(super::super::pulse::Streamed);
    answer
}

/// Goal: a stream has no end of its own, and whoever does not read it is cut off all the same.
#[test]
fn a_stream_lasts_as_long_as_it_is_read() {
    let served = Served::new(Limits { answer: MOMENT, ..patient() });
    let _deaf = served.sent("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    eventually("cut off", || served.refused("late_reader") == 1 && served.metric("http_connections") == 0);
    let served = Served::new(patient());
    let mut stream = served.sent("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut some = vec![0; LARGE];
    stream.read_exact(&mut some).unwrap();
}

/// Goal: what a stream has written counts from the last of it, what another answer has from its beginning.
#[test]
fn only_a_stream_wins_time_by_being_read() {
    use super::super::pulse::{Doing, Pulse};
    let pulse = Pulse::new();
    pulse.asked();
    let mut beats = pulse.listen();
    pulse.moved();
    assert!(!beats.has_changed().unwrap());
    pulse.streams();
    let began = *beats.borrow_and_update();
    pulse.moved();
    assert!(beats.has_changed().unwrap());
    assert!(beats.borrow().since >= began.since && began.doing == Doing::Streaming);
    pulse.written();
    pulse.flushed();
    assert_eq!(pulse.beat().doing, Doing::Idle);
}

#[test]
fn who_is_slow_and_in_time_is_answered() {
    let served = Served::new(patient());
    let mut stream = served.connect();
    for byte in "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    assert!(heard(stream).ends_with("\r\n\r\nok\n"));
    let two = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(heard(served.sent(two)).matches("ok\n").count(), 2);
    let body = "POST /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    is_problem(&heard(served.sent(body)), 405, "method-not-allowed");
    assert_eq!(served.refused_in_all(), 0);
}

#[test]
fn headers_have_an_end() {
    let served = Served::new(patient());
    let start = "GET /livez HTTP/1.1\r\nHost: localhost\r\n";
    is_problem(&send_without_end(served.sent(start), "x: y\r\n"), 431, "headers-too-large");
    is_problem(&send_without_end(served.sent("GET /"), "xxxxxxxx"), 431, "headers-too-large");
    is_problem(&heard(served.sent("\u{16}\u{3}\u{1}\u{2}\r\n\r\n")), 400, "malformed-request");
    assert_eq!((served.refused("large_headers"), served.refused("malformed")), (2, 1));
    assert!(served.get("/livez").starts_with("HTTP/1.1 200"));
}

#[test]
fn bodies_have_an_end() {
    let served = Served::new(patient());
    let chunked = "GET /livez HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    is_problem(&send_without_end(served.sent(chunked), "8\r\nxxxxxxxx\r\n"), 413, "body-too-large");
    let long = "POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n";
    is_problem(&send_without_end(served.sent(long), "xxxxxxxx"), 413, "body-too-large");
    assert_eq!(served.refused("large_body"), 2);
    eventually("their handles are back", || served.metric("http_connections") == 0);
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let served = Served::new(Limits { body: MOMENT, ..patient() });
    for framing in ["Content-Length: 10\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"] {
        let answer = heard(served.sent(&format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{framing}")));
        is_problem(&answer, 408, "body-late");
    }
    assert_eq!(served.refused("late_body"), 2);
}

/// Goal: who sends less than was announced, or no chunks, is told so, and not that it was too much.
#[test]
fn a_body_that_is_broken_off_is_not_called_too_large() {
    let served = Served::new(patient());
    for framing in ["Content-Length: 10\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\nzz\r\n"] {
        let stream = served.sent(&format!("POST /livez HTTP/1.1\r\nHost: localhost\r\n{framing}"));
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        is_problem(&heard(stream), 400, "malformed-request");
    }
    assert_eq!((served.refused("malformed"), served.refused("large_body")), (2, 0));
}

#[test]
fn an_answer_that_nobody_reads_is_not_kept() {
    let served = Served::new(Limits { answer: MOMENT, ..patient() });
    let _deaf = served.sent("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    eventually("cut off", || served.refused("late_reader") == 1 && served.metric("http_connections") == 0);
    let patient = Served::new(patient());
    let whole = patient.get("/large").len();
    assert!(whole > LARGE, "{whole}");
}

/// Goal: an answer's time ends with the answer, and an idle connection is closed without a word.
#[test]
fn an_idle_connection_is_closed() {
    let served = Served::new(Limits { idle: MOMENT, answer: Duration::from_secs(10), ..patient() });
    let answer = heard(served.sent("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
    assert_eq!(served.refused_in_all(), 0);
}

#[test]
fn a_crowd_locks_nobody_out() {
    const CROWD: usize = 300;
    let served = Served::new(Limits { connections: 4, ..patient() });
    let crowd: Vec<TcpStream> = (0..CROWD).map(|_| served.sent("GET /livez HTTP/1.1\r\nHost: ")).collect();
    assert!(served.get("/livez").starts_with("HTTP/1.1 200"));
    assert!(served.get("/metrics").contains("\nflowgate_http_connections "));
    eventually("all but some gave way", || served.refused("crowded") >= CROWD as u64 - 4);
    let most = served.most.load(Ordering::Relaxed);
    assert!(most <= 4, "{most} were open when one more was accepted");
    drop(crowd);
    eventually("the handles are back", || served.metric("http_connections") == 0);
}

/// Goal: whoever asks at once is answered, however many come at once. Method: all are there before the first is accepted.
#[test]
fn whoever_has_asked_is_answered_before_the_next_take_its_place() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let waiting: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request).unwrap();
            stream
        })
        .collect();
    let served = Served::on(listener, Limits { connections: 8, ..patient() }, Vec::new(), None);
    for stream in waiting {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        assert!(heard(stream).starts_with("HTTP/1.1 200"));
    }
    assert_eq!(served.refused("crowded"), 0);
}

#[test]
fn no_error_of_accepting_ends_the_server() {
    let of_system = |code| io::Error::from_raw_os_error(code);
    // From the last one on: too many files here, too many in the system, and one that was gone again.
    let errors = vec![of_system(24), of_system(23), io::ErrorKind::ConnectionAborted.into()];
    let served = Served::failing(patient(), errors);
    assert!(served.get("/livez").starts_with("HTTP/1.1 200"));
    assert_eq!(served.refused("no_handle"), 2);
}
