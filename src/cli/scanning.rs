//! A line on standard error that says how far a look through topics is, while that takes its time.
//!
//! A thread of its own draws it. So the look is not held up, and Ctrl-C is obeyed at once, whatever the look waits for.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::ProgressDrawTarget;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use super::progress::ScanBar;
use crate::client::meter::Meter;

/// Nothing is shown of a look that takes no longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the line is drawn, and how soon Ctrl-C is obeyed.
const AGAIN: Duration = Duration::from_millis(100);

/// Does the work, and shows meanwhile what the meter says; the line is gone at the end. Standard error has to be a terminal.
pub fn watched<T>(meter: &Meter, work: impl FnOnce() -> T) -> T {
    let _line = Line::begin(meter.clone());
    work()
}

/// There until it is dropped, also by a panic.
struct Line {
    end: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    fn begin(meter: Meter) -> Self {
        let (end, until) = channel();
        // Without the thread there is no line, and the work is done all the same.
        let thread = Builder::new().name("progress".into()).spawn(move || draw(&meter, &until)).ok();
        Self { end: Some(end), thread }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        drop(self.end.take());
        // A panic there leaves a line behind, and no more.
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }
}

fn draw(meter: &Meter, until: &Receiver<Infallible>) {
    let mut picture = Picture::new(ProgressDrawTarget::stderr(), Instant::now());
    let mut held = None;
    while let Err(RecvTimeoutError::Timeout) = until.recv_timeout(AGAIN) {
        let now = Instant::now();
        if held.is_none() && picture.is_due(now) {
            held = Signals::hold();
        }
        picture.draw(meter, now);
        if held.is_some_and(Signals::is_heard) {
            break;
        }
    }
    picture.wipe();
    held.into_iter().for_each(Signals::obey);
}

/// The line as it is drawn.
struct Picture {
    bar: ScanBar,
    began: Instant,
}

impl Picture {
    fn new(target: ProgressDrawTarget, now: Instant) -> Self {
        Self { bar: ScanBar::new(target), began: now }
    }

    fn is_due(&self, now: Instant) -> bool {
        now.duration_since(self.began) >= PATIENCE
    }

    fn draw(&mut self, meter: &Meter, now: Instant) {
        match meter.part().filter(|part| self.is_due(now) && part.total > 0) {
            Some(part) => self.bar.show(&part, now),
            None => self.bar.wipe(),
        }
    }

    fn wipe(&mut self) {
        self.bar.wipe();
    }
}

/// Ctrl-C and SIGTERM. They end the process as ever; while a line is there it is wiped away first.
struct Signals([(i32, Arc<AtomicBool>); 2]);

impl Signals {
    /// From now on they wait for [`Self::obey`]; the second one ends the process at once. `None`: they cannot be heard, and
    /// end it as ever.
    fn hold() -> Option<&'static Self> {
        // Once for all lines: what is registered stays so.
        static ALL: OnceLock<Option<Signals>> = OnceLock::new();
        let all = ALL.get_or_init(|| Self::register().ok()).as_ref()?;
        all.0.iter().for_each(|(_, is_obeyed)| is_obeyed.store(false, Ordering::SeqCst));
        Some(all)
    }

    /// A flag each, which is up where the signal does at once what it does by default, and which the signal puts up.
    fn register() -> std::io::Result<Self> {
        let all = Self([SIGINT, SIGTERM].map(|signal| (signal, Arc::new(AtomicBool::new(true)))));
        for (signal, is_obeyed) in &all.0 {
            flag::register_conditional_default(*signal, Arc::clone(is_obeyed))?;
            flag::register(*signal, Arc::clone(is_obeyed))?;
        }
        Ok(all)
    }

    fn is_heard(&self) -> bool {
        self.0.iter().any(|(_, is_obeyed)| is_obeyed.load(Ordering::SeqCst))
    }

    /// Ends the process if one has come; whatever comes later ends it at once.
    fn obey(&self) {
        for (signal, is_obeyed) in &self.0 {
            if is_obeyed.swap(true, Ordering::SeqCst) {
                // The process ends by the signal itself, so that a shell sees that.
                let _ = low_level::emulate_default_handler(*signal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{self, Read as _};
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, Stdio};
    use std::sync::Mutex;

    use indicatif::TermLike;
    use rustix::process::{Pid, Signal, kill_process};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;
    use crate::client::meter::Part;

    /// A made-up terminal: its lines, and the one with the cursor.
    #[derive(Clone, Debug, Default)]
    struct Terminal(Arc<Mutex<(Vec<String>, usize)>>);

    impl Terminal {
        fn shown(&self) -> Vec<String> {
            let lines = &self.0.lock().unwrap().0;
            lines.iter().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
        }

        fn at(&self, change: impl FnOnce(&mut String)) -> io::Result<()> {
            let (lines, row) = &mut *self.0.lock().unwrap();
            lines.resize(lines.len().max(*row + 1), String::new());
            change(&mut lines[*row]);
            Ok(())
        }

        fn go(&self, down: isize) -> io::Result<()> {
            let row = &mut self.0.lock().unwrap().1;
            *row = row.saturating_add_signed(down);
            Ok(())
        }
    }

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, n: usize) -> io::Result<()> {
            self.go(-isize::try_from(n).unwrap())
        }
        fn move_cursor_down(&self, n: usize) -> io::Result<()> {
            self.go(isize::try_from(n).unwrap())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)?;
            self.move_cursor_down(1)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.at(|line| line.push_str(text))
        }
        fn clear_line(&self) -> io::Result<()> {
            self.at(String::clear)
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn part(began: Instant, done: u64, total: u64) -> Part {
        Part { what: "flow.audit".into(), done, total, began, before: 0, until: None }
    }

    /// Goal: a look that is short shows nothing; a long one has one line, drawn in place, which is gone at the end.
    #[test]
    fn a_long_look_has_one_line_and_leaves_none() {
        let (terminal, meter, began) = (Terminal::default(), Meter::default(), Instant::now());
        let mut picture = Picture::new(ProgressDrawTarget::term_like(Box::new(terminal.clone())), began);
        let at = |millis| began + Duration::from_millis(millis);
        meter.show(&part(began, 500, 10_000));
        picture.draw(&meter, at(900));
        assert_eq!(terminal.shown(), Vec::<String>::new(), "it may be over in a moment");

        for (millis, done, says) in [
            (2_000, 1_000, "] 1,000/10,000 10%, 500/s, about 18s left"),
            (4_000, 5_000, "] 5,000/10,000 50%, 1250/s, about 4s left"),
        ] {
            meter.show(&part(began, done, 10_000));
            picture.draw(&meter, at(millis));
            let shown = terminal.shown();
            assert!(shown.len() == 1 && shown[0].starts_with("flow.audit [") && shown[0].ends_with(says), "{shown:?}");
        }
        picture.wipe();
        assert_eq!(terminal.shown(), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let (terminal, meter, began) = (Terminal::default(), Meter::default(), Instant::now());
        let mut picture = Picture::new(ProgressDrawTarget::term_like(Box::new(terminal.clone())), began);
        let at = began + Duration::from_secs(3);
        picture.draw(&meter, at);
        meter.show(&part(began, 0, 0));
        picture.draw(&meter, at);
        assert_eq!(terminal.shown(), Vec::<String>::new(), "nothing is under way, or nobody knows of how much");

        meter.show(&part(began, 0, 10_000));
        picture.draw(&meter, at);
        assert!(terminal.shown()[0].ends_with("] 0/10,000 0%"), "{:?}", terminal.shown());
        // Half of it was done when it began, and it ends in a second.
        meter.show(&Part { before: 5_000, until: Some(at + Duration::from_secs(1)), ..part(began, 5_300, 10_000) });
        picture.draw(&meter, at);
        assert!(terminal.shown()[0].ends_with("] 5,300/10,000 53%, 100/s, about 1s left"), "{:?}", terminal.shown());
        meter.clear();
        picture.draw(&meter, at);
        assert_eq!(terminal.shown(), Vec::<String>::new(), "what is over is not shown any longer");
        meter.show(&part(began, 3_000, 10_000));
        picture.draw(&meter, at);
        assert!(terminal.shown()[0].ends_with("] 3,000/10,000 30%, 1000/s, about 7s left"), "{:?}", terminal.shown());
    }

    /// Names the process that the next test starts.
    const CHILD: &str = "FLOWGATE_TEST_OF_CTRL_C";

    /// The look of that process: it comes to no end before somebody has lost their patience.
    #[test]
    fn a_look_that_is_interrupted() {
        if std::env::var_os(CHILD).is_some() {
            let meter = Meter::default();
            meter.show(&part(Instant::now(), 50, 100));
            watched(&meter, || std::thread::park_timeout(Duration::from_secs(60)));
        }
    }

    /// Goal: Ctrl-C ends the process by the signal, as ever, and leaves no line on the terminal. Method: this program, started
    /// once more on a terminal of its own for the one test above.
    #[test]
    fn ctrl_c_wipes_the_line_away() {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let inner = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cli::scanning::tests::a_look_that_is_interrupted", "--nocapture"])
            .env(CHILD, "1")
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(inner)
            .spawn()
            .unwrap();
        let (mut terminal, mut written, mut some) = (File::from(terminal), Vec::new(), [0; 1024]);
        let shows_line = |written: &[u8]| String::from_utf8_lossy(written).contains("50/100 50%");
        // Reading ends, by an error or not, when nobody writes there any longer.
        while let Ok(length @ 1..) = terminal.read(&mut some) {
            let before = shows_line(&written);
            written.extend_from_slice(&some[..length]);
            if shows_line(&written) && !before {
                kill_process(Pid::from_child(&child), Signal::INT).unwrap();
            }
        }
        let status = child.wait().unwrap();
        let written = String::from_utf8_lossy(&written).into_owned();
        assert_eq!(status.signal(), Some(SIGINT), "{status}: {written:?}");
        let (before, rest) = written.rsplit_once("50%").unwrap();
        assert!(!before.contains("0/0"), "a line that is half drawn: {before:?}");
        assert!(rest.contains("\u{1b}[2K"), "the line was not wiped away: {written:?}");
    }
}
