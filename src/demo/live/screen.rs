//! With a terminal: a table that moves, and an operator at the keys.

use std::collections::{BTreeMap, VecDeque};
use std::io::Stdout;
use std::time::{Duration, Instant};

use crossterm::event;

use super::super::Failure;
use super::super::backend::{Backend, Pace, Way};
use super::super::console::Console;
use super::super::operator::Order;
use super::super::play::Play;
use super::super::purchases::{POST_PURCHASE, WELCOME, WIN_BACK};
use super::super::signals::Signals;
use super::super::story::Line;
use super::keys::{self, Wish};
use super::meter::Meter;
use super::terminal::Terminal;
use super::view::View;

const FRAME: Duration = Duration::from_millis(50);

/// Held events passed in a frame: a drain of some hundreds is to be seen for some seconds.
const ENTRIES: usize = 6;

/// Lines of the log that are kept: more than any screen shows.
const LOG: usize = 200;

const NAMES: [&str; 3] = [WELCOME, POST_PURCHASE, WIN_BACK];

struct Screen<B: Backend> {
    play: Play<B>,
    day: Duration,
    selected: usize,
    meters: BTreeMap<&'static str, Meter>,
    log: VecDeque<Line>,
    console: Console,
}

pub(super) fn run<B: Backend>(out: &mut Stdout, setup: B::Setup, day: Duration) -> Result<(), Failure> {
    let signals = Signals::watch(0)?;
    let pace = Pace { entries: ENTRIES, turn: FRAME };
    let mut play = Play::<B>::start(setup, Way::Watched { day, pace })?;
    let console = play.console()?;
    // It stays in the terminal when the table has gone.
    console.tell();
    let mut screen = Screen::new(play, day, console);
    let mut terminal = Terminal::take(out)?;
    loop {
        let next_frame = Instant::now() + FRAME;
        screen.live()?;
        let size = Terminal::size();
        terminal.show(&screen.view().rows(size), size)?;
        // Keys are answered at once, a frame is drawn when it is due.
        loop {
            if signals.have_ended() {
                return Ok(());
            }
            let left = next_frame.saturating_duration_since(Instant::now());
            if !event::poll(left)? {
                break;
            }
            match keys::read(&event::read()?) {
                Some(Wish::End) => return Ok(()),
                Some(wish) => screen.grant(wish)?,
                None => {}
            }
        }
    }
}

impl<B: Backend> Screen<B> {
    fn new(play: Play<B>, day: Duration, console: Console) -> Self {
        let meters = NAMES.into_iter().map(|name| (name, Meter::default())).collect();
        // The flow with the most to see.
        let selected = NAMES.iter().position(|name| *name == POST_PURCHASE).unwrap_or_default();
        Self { play, day, selected, meters, log: VecDeque::new(), console }
    }

    /// Goes on to where the calendar is by now.
    fn live(&mut self) -> Result<(), Failure> {
        self.log.extend(self.play.run_until(self.play.due())?);
        let surplus = self.log.len().saturating_sub(LOG);
        self.log.drain(..surplus);
        let now = self.play.now();
        for (name, meter) in &mut self.meters {
            if let Some(watched) = self.play.session.watch.flows().get(*name) {
                meter.note(now, watched);
            }
        }
        Ok(())
    }

    fn grant(&mut self, wish: Wish) -> Result<(), Failure> {
        match wish {
            Wish::Up => self.selected = (self.selected + NAMES.len() - 1) % NAMES.len(),
            Wish::Down => self.selected = (self.selected + 1) % NAMES.len(),
            Wish::Order(action) => {
                if let Some(flow) = NAMES.get(self.selected).copied() {
                    self.play.order(&Order { flow, action, reason: None })?;
                }
            }
            Wish::End => {}
        }
        Ok(())
    }

    fn view(&self) -> View<'_> {
        View {
            now: self.play.now(),
            day: self.day,
            flows: self.play.session.watch.flows(),
            names: &NAMES,
            meters: &self.meters,
            selected: self.selected,
            log: &self.log,
            console: &self.console,
            sent: self.play.session.feed.sent(),
            total: self.play.session.feed.total(),
            trouble: self.play.backend().trouble(),
        }
    }
}
