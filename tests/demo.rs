//! `flowgate demo` as it is run: the binary, its output, its exit code, and a terminal of its own.

#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Far more than anything here takes; when it is over, something hangs.
const PATIENCE: Duration = Duration::from_secs(120);

fn flowgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{}\n--- stdout\n{out}\n--- stderr\n{err}", output.status)
}

fn number(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// A row of a table of sums, read back: its name, its numbers, and what it says of itself.
fn row(line: &str) -> Option<(&str, Vec<u64>, &str)> {
    let (name, rest) = line.split_at_checked(13)?;
    let mut cells: Vec<&str> = rest.split_whitespace().filter(|cell| !["=", "+"].contains(cell)).collect();
    let verdict = cells.pop()?;
    (verdict == "closes").then(|| (name.trim(), cells.into_iter().map(number).collect(), verdict))
}

/// The first number before a word, as in `394 held`.
fn before(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line.split([' ', ',', ';', '(', ')']).collect();
    // Thousands are written with a comma: take the text before the word as it stands.
    let at = line.find(&format!(" {word}")).unwrap_or_else(|| panic!("no {word} in {line:?} ({words:?})"));
    number(line[..at].rsplit([' ', '(']).next().unwrap())
}

/// Goal: `demo --fast` shows each scripted step with figures of its own, and its sums close, event for event.
/// Method: run the binary, and add up what it prints.
#[test]
fn fast_shows_every_step_and_its_sums_close() {
    let output = flowgate(&["demo", "--fast"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(!printed.contains('\x1b'), "escape codes");
    let find = |parts: &[&str]| {
        let line = printed.lines().find(|line| parts.iter().all(|part| line.contains(part)));
        line.unwrap_or_else(|| panic!("no line with {parts:?}\n{}", text(&output)))
    };

    find(&["1997-01-13 09:00", "post-purchase", "paused by ops", "until 1997-01-27 09:00"]);
    let resumed = find(&["1997-01-20 09:00", "post-purchase", "resumed by ops"]);
    assert_eq!(before(resumed, "held"), before(resumed, "released") + before(resumed, "replaced"));
    assert!(before(resumed, "released") > 0 && before(resumed, "replaced") > 0, "{resumed}");

    find(&["1997-02-03 09:00", "welcome", "new records are turned away"]);
    let resumed = find(&["1997-02-10 09:00", "welcome", "resumed by ops"]);
    assert!(before(resumed, "released") > 0 && before(resumed, "new records were turned away") > 0, "{resumed}");

    find(&["1997-03-02 15:00", "post-purchase", "paused by ops"]);
    // Fourteen days later, to the minute.
    let expired = find(&["1997-03-16 15:00", "post-purchase", "expired, resumed by the timer"]);
    assert_eq!(before(expired, "held"), before(expired, "released") + before(expired, "replaced"));
    assert!(before(expired, "replaced") > 0, "{expired}");

    find(&["1997-05-08 12:00", "win-back", "withdraw of 05870 delivered at once", "taken out"]);
    let rated = find(&["1997-05-16 11:58", "win-back", "resumed by ops at 1 record/s"]);
    let again = find(&["1997-05-16 12:01", "win-back", "paused again in the drain"]);
    let total = before(rated, "held") + before(again, "came in meanwhile");
    let fates = before(again, "released") + before(again, "replaced") + before(again, "stay held");
    assert_eq!(total, fates, "{rated}\n{again}");
    // Three minutes at a record a second, and the one that a drain begins with.
    assert!((175..=181).contains(&before(again, "released")), "{again}");
    let rest = find(&["1997-05-17 09:00", "win-back", "resumed by ops"]);
    assert_eq!(before(rest, "held"), before(again, "stay held"));

    let dropped = find(&["1997-08-25 09:00", "post-purchase", "dropping what is held"]);
    assert_eq!(before(dropped, "released"), 0, "{dropped}");
    assert!(before(dropped, "removed") > 0, "{dropped}");

    find(&["1997-12-15 09:00", "win-back", "rejected", "14 days at most", "1997-12-29T09:00:00Z"]);
    find(&["1997-12-29 09:05", "win-back", "expired, resumed by the timer"]);
    let held = before(find(&["1998-06-30 12:00", "win-back", "is still paused until 1998-07-06 09:00"]), "held");
    assert!(held > 0);

    let rows: Vec<_> = printed.lines().filter_map(row).collect();
    assert_eq!(rows.len(), 8, "two tables of four rows\n{}", text(&output));
    for (name, numbers, _) in &rows {
        assert_eq!(numbers.len(), 5, "{name}");
        assert_eq!(numbers[0], numbers[1..].iter().sum::<u64>(), "{name}: {numbers:?}");
    }
    let of = |at: usize, name: &str| {
        assert_eq!(rows[at].0, name);
        rows[at].1.clone()
    };
    // What the data says of itself (`examples/purchases/README.md`).
    assert_eq!((of(0, "post-purchase")[0], of(1, "welcome")[0], of(2, "win-back")[0]), (13_835, 7_071, 7_188));
    assert_eq!(of(3, "all flows")[0], 28_094);
    for at in 0..4 {
        assert_eq!(rows[at].1[2], rows[at + 4].1[0], "queued is queued");
    }
    assert_eq!(of(6, "win-back")[1], held);
    find(&["28,094 events compared with", "14 commands: 0 anomalies", "ordinary list's: 0 differences"]);
}

#[test]
fn fast_and_a_length_of_the_day_contradict_each_other() {
    let output = flowgate(&["demo", "--fast", "--day", "1s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let output = flowgate(&["demo", "--day", "soon"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("such as 250ms, 1s or 2m"), "{}", text(&output));
}

/// Goal: whoever reads the output may stop reading.
#[test]
fn a_closed_pipe_is_an_end_and_no_failure() {
    let mut child = flowgate(&["demo", "--day", "1ms"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    drop(out);
    assert!(ended(child).success());
}

fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(done.success(), "kill -{name} {pid}: {done}");
}

/// Waits for the end, but not for ever.
fn ended(mut child: Child) -> ExitStatus {
    let pid = child.id();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(child.wait()));
    told.recv_timeout(PATIENCE)
        .unwrap_or_else(|_| {
            signal(pid, "KILL");
            panic!("it has not ended after {PATIENCE:?}");
        })
        .unwrap()
}

/// Lines as they come, each within the limit.
fn lines(from: impl Read + Send + 'static) -> impl FnMut() -> String {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    move || told.recv_timeout(PATIENCE).expect("another line")
}

/// Goal: without a terminal the demo prints a line a day, and a signal ends it well.
#[test]
fn without_a_terminal_a_line_a_day_and_a_signal_ends_it() {
    for name in ["INT", "TERM"] {
        let mut child = flowgate(&["demo", "--day", "2ms"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut next = lines(child.stdout.take().unwrap());
        let days: Vec<String> = (0..40).map(|_| next()).collect();
        for (day, line) in (1..=31).zip(&days) {
            assert!(line.starts_with(&format!("1997-01-{day:02}  in ")), "{line}");
            assert!(line.is_ascii() && !line.contains('\x1b'), "{line}");
        }
        assert!(days[12].ends_with("post-purchase paused (resumes in 13 d 09 h)"), "{}", days[12]);
        signal(child.id(), name);
        assert_eq!(ended(child).code(), Some(0), "SIG{name}");
    }
}

/// Goal: the end of the data is not the end of the demo: the timer of the last pause still fires.
#[test]
fn it_goes_on_behind_the_data() {
    let mut child = flowgate(&["demo", "--day", "1ms"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut next = lines(child.stdout.take().unwrap());
    let mut ended_at = None;
    let last = loop {
        let line = next();
        if line.starts_with("The data ends here") {
            ended_at = Some(());
        } else if ended_at.is_some() && line.contains("  held 0  ") {
            break line;
        }
    };
    assert!(last.starts_with("1998-07-06  in 28,094  ") && !last.contains("paused"), "{last}");
    signal(child.id(), "TERM");
    assert_eq!(ended(child).code(), Some(0));
}

/// The console of a demo that runs.
struct Console(String);

impl Console {
    /// As the demo has told it.
    fn told(line: &str) -> Self {
        let link = line.strip_prefix("console: http://").and_then(|rest| rest.split('/').next());
        Self(link.unwrap_or_else(|| panic!("no link in {line:?}")).to_owned())
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.0).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (host, body) = (&self.0, body.map(Value::to_string).unwrap_or_default());
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no status: {head}")), body.to_owned())
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        let (status, text) = self.ask("GET", path, None);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let (status, text) = self.ask("POST", path, Some(body));
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until orders are taken.
    fn until_heard(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.ask("POST", "/api/v1/flows/nobody/commands", Some(&json!({"action": "resume"}))).0 == 503 {
            assert!(Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn order(&self, flow: &str, order: &Value) {
        let answer = self.post(&format!("/api/v1/flows/{flow}/commands?wait=15s"), order);
        assert_eq!(answer["outcome"], "applied", "{answer}");
    }

    /// Asks again until the flow is as it is wanted.
    fn until(&self, flow: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, text) = self.ask("GET", &format!("/api/v1/flows/{flow}"), None);
            let found: Value = serde_json::from_str(&text).unwrap();
            if status == 200 && wanted(&found) {
                return found;
            }
            assert!(Instant::now() < deadline, "{status}: {found}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A time in days since 1970.
#[track_caller]
fn days(time: &Value) -> f64 {
    let time = chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap();
    time.timestamp_millis() as f64 / 86_400_000.0
}

/// Goal: the console of a demo lives by its calendar, and what is ordered there is seen by the demo. Method: the first minute of a
/// newcomer, over HTTP: pause, see what is held grow, purge and take it back, resume, watch it drain.
#[test]
fn the_console_goes_by_the_calendar_and_what_it_orders_is_seen() {
    let mut child = flowgate(&["demo", "--day", "2s"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let console = Console::told(&lines(child.stderr.take().unwrap())());
    let mut next = lines(child.stdout.take().unwrap());
    let (status, page) = console.ask("GET", "/", None);
    assert!(status == 200 && page.starts_with("<!doctype html>"), "{status}: {page}");

    let first = next();
    let whoami = console.get("/api/v1/whoami");
    assert_eq!((&whoami["label"], &whoami["role"]), (&json!("demo"), &json!("admin")));
    assert_eq!(whoami["clock"]["per_second"], 43_200.0);
    // The day that the line tells of is over.
    let midnight = days(&json!(format!("{}T00:00:00Z", first.split(' ').next().unwrap()))) + 1.0;
    let now = days(&whoami["clock"]["now"]);
    assert!((midnight..midnight + 20.0).contains(&now), "{first}: {whoami}");

    console.until("welcome", |flow| flow["state"] == "live");
    console.order("welcome", &json!({"action": "pause", "reason": "a look"}));
    let held = console.until("welcome", |flow| flow["held"]["total"].as_u64() > Some(0));
    assert_eq!(held["state"], "paused");
    let pause = &held["pause"];
    assert!((days(&pause["resumes_at"]) - days(&pause["paused_at"]) - 14.0).abs() < 1e-6, "{held}");
    assert!(days(&pause["paused_at"]) >= now, "{held}");
    let seen = std::iter::repeat_with(&mut next).take(14).find(|line| line.contains("  welcome paused (resumes in "));
    seen.expect("a line that tells of the pause");

    let purge = json!({"action": "purge", "flows": ["welcome"]});
    let expect = console.post("/api/v1/previews", &purge)["expect"].clone();
    console.order("welcome", &json!({"action": "purge", "expect": {"pause_id": expect["pause_id"]}}));
    console.until("welcome", |flow| flow["counts"]["removed"]["enroll"].as_u64() > Some(0));
    let mut redrive = json!({"kind": "discarded", "reason": "purge"});
    let shown = console.post("/api/v1/redrives", &redrive);
    assert!(shown["letters"].as_u64() > Some(0), "{shown}");
    redrive["expect"] = shown["expect"].clone();
    let done = console.post("/api/v1/redrives", &redrive);
    assert_eq!((&done["done"], &done["letters"]), (&json!(true), &shown["letters"]));

    console.order("welcome", &json!({"action": "resume"}));
    console.until("welcome", |flow| flow["state"] == "live" && flow["held"]["total"] == 0);
    // It goes on.
    next();
    signal(child.id(), "TERM");
    assert_eq!(ended(child).code(), Some(0));
}

/// Goal: a second demo has a console too, and one that is over in a moment has none. What is ordered is done at once, though the next event
/// of the calendar is minutes away.
#[test]
fn each_demo_that_is_looked_at_has_a_console_of_its_own() {
    let mut demos: Vec<Child> = (0..2)
        .map(|_| flowgate(&["demo", "--day", "10m"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    let told: Vec<String> = demos.iter_mut().map(|demo| lines(demo.stderr.take().unwrap())()).collect();
    let consoles: Vec<Console> = told.iter().map(|line| Console::told(line)).collect();
    assert_ne!(consoles[0].0, consoles[1].0);
    // One of them at least has found the usual port taken.
    assert!(told.iter().any(|line| line.ends_with("/ (port 8714 is taken)")), "{told:?}");
    for (console, demo) in consoles.iter().zip(demos) {
        assert_eq!(console.get("/api/v1/whoami")["label"], "demo");
        console.until_heard();
        console.order("welcome", &json!({"action": "pause"}));
        signal(demo.id(), "TERM");
        assert_eq!(ended(demo).code(), Some(0));
    }
    let fast = flowgate(&["demo", "--fast"]).output().unwrap();
    assert!(fast.status.success() && fast.stderr.is_empty(), "{}", text(&fast));
}

/// A terminal and what was written to it so far.
struct Terminal {
    master: std::fs::File,
    told: mpsc::Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    /// The demo in a terminal of 80 by 24.
    fn with(arguments: &[&str]) -> (Self, Child) {
        use rustix::{pty, termios};
        let master = pty::openpt(pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY).unwrap();
        pty::grantpt(&master).unwrap();
        pty::unlockpt(&master).unwrap();
        let name = pty::ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let size = termios::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        termios::tcsetwinsize(&master, size).unwrap();
        let slave = std::fs::OpenOptions::new().read(true).write(true).open(name).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_flowgate"))
            .args(arguments)
            .env("TERM", "xterm-256color")
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        let master = std::fs::File::from(master);
        let mut reader = master.try_clone().unwrap();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Fails when the other side is closed: the end.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        (Self { master, told, shown: String::new() }, child)
    }

    /// Waits until this is on the screen, drawn after the last press of a key.
    fn until(&mut self, part: &str) {
        // For the whole of it: frames never stop coming.
        let deadline = Instant::now() + PATIENCE;
        while !self.shown.contains(part) {
            let left = deadline.saturating_duration_since(Instant::now());
            let more = self.told.recv_timeout(left);
            let more = more.unwrap_or_else(|why| panic!("{part:?} was not shown ({why}):\n{}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&more));
        }
    }

    fn press(&mut self, keys: &str) {
        self.shown.clear();
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    fn rest(mut self) -> String {
        while let Ok(more) = self.told.recv_timeout(PATIENCE) {
            self.shown.push_str(&String::from_utf8_lossy(&more));
        }
        self.shown
    }
}

/// What gives a terminal back: the screen before, the cursor, and broken lines.
#[track_caller]
fn assert_given_back(rest: &str) {
    for code in ["\x1b[?1049l", "\x1b[?25h", "\x1b[?7h"] {
        assert!(rest.contains(code), "{code:?} is missing: {rest:?}");
    }
}

/// Goal: with a terminal, keys pause and resume, and every end gives the terminal back.
#[test]
fn with_a_terminal_keys_pause_and_resume() {
    // A pause lasts half a minute: a busy machine has time to resume it.
    let (mut terminal, child) = Terminal::with(&["demo", "--day", "2s"]);
    terminal.until("\x1b[?1049h");
    terminal.until("passes straight through");
    terminal.press("p");
    terminal.until("paused by you until 1997-");
    terminal.until("resumes in ");
    terminal.press("r");
    terminal.until("resumed by you");
    // Down, with an arrow.
    terminal.press("\x1b[Bd");
    terminal.until("discards new");
    terminal.press("q");
    assert_eq!(ended(child).code(), Some(0));
    assert_given_back(&terminal.rest());
}

/// Goal: the table and the console agree: the link stays on the screen, and what is ordered there shows in the table.
#[test]
fn with_a_terminal_what_the_console_orders_is_on_the_screen() {
    let (mut terminal, child) = Terminal::with(&["demo", "--day", "2s"]);
    terminal.until("\r\n");
    let console = Console::told(terminal.shown.lines().find(|line| line.starts_with("console: ")).unwrap());
    // Below the title of every frame, whatever stood there before.
    terminal.press("");
    terminal.until(&format!("http://{}/\x1b[", console.0));
    terminal.until("passes straight through");
    console.until("welcome", |flow| flow["state"] == "live");
    terminal.press("");
    console.order("welcome", &json!({"action": "pause"}));
    terminal.until("paused by http until 1997-");
    terminal.press("");
    console.order("welcome", &json!({"action": "resume"}));
    terminal.until("resumed by http");
    // And the other way round.
    terminal.press("p");
    console.until("post-purchase", |flow| flow["state"] == "paused");
    terminal.press("q");
    assert_eq!(ended(child).code(), Some(0));
    assert_given_back(&terminal.rest());
}

#[test]
fn ctrl_c_and_sigterm_give_the_terminal_back() {
    let (mut terminal, child) = Terminal::with(&["demo"]);
    terminal.until(" of 28,094 events");
    terminal.press("\x03");
    assert_eq!(ended(child).code(), Some(0));
    assert_given_back(&terminal.rest());

    let (mut terminal, child) = Terminal::with(&["demo"]);
    terminal.until(" of 28,094 events");
    signal(child.id(), "TERM");
    assert_eq!(ended(child).code(), Some(0));
    assert_given_back(&terminal.rest());
}
