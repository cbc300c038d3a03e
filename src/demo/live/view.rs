//! What stands where on the screen. Made for 80 by 24, goes on with less and with more.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::super::console::Console;
use super::super::show::{minute, span, thousands};
use super::super::story::Line;
use super::super::watch::{Fates, Watched};
use super::keys;
use super::meter::{Meter, Progress};
use super::row::{Look, Row};
use crate::flow::{Keep, NewRecords, Pause, State};
use crate::time::Timestamp;

/// Everything that is shown.
pub(super) struct View<'a> {
    pub now: Timestamp,
    /// How long a day takes.
    pub day: Duration,
    pub flows: &'a BTreeMap<String, Watched>,
    pub names: &'a [&'static str],
    pub meters: &'a BTreeMap<&'static str, Meter>,
    pub selected: usize,
    /// What happened, the newest last.
    pub log: &'a VecDeque<Line>,
    pub sent: usize,
    pub total: usize,
    pub console: &'a Console,
    /// What keeps the gate from its work.
    pub trouble: Option<String>,
}

/// Rows from which on there is room between the flows.
const ROOMY: usize = 20;

/// Columns of a bar.
const BAR: u64 = 20;

/// The columns of the table: name, width, what is in it.
type Column = (&'static str, usize, fn(Fates) -> u64);
const COLUMNS: [Column; 7] = [
    ("IN", 7, |fates| fates.input),
    ("DELIVERED", 10, |fates| fates.delivered),
    ("HELD", 7, |fates| fates.held),
    ("RELEASED", 9, |fates| fates.released),
    ("REPLACED", 9, |fates| fates.replaced),
    ("REMOVED", 8, |fates| fates.removed),
    ("AWAY", 6, |fates| fates.turned_away),
];

impl View<'_> {
    /// At most as many rows as fit; the last one says the keys.
    pub fn rows(&self, (width, height): (u16, u16)) -> Vec<Row> {
        let (width, height) = (usize::from(width), usize::from(height));
        let mut rows = vec![self.title(width), self.link(), head()];
        for (index, name) in self.names.iter().enumerate() {
            rows.extend(self.flow(index, name, width));
            // Room to breathe, where there is room.
            if height >= ROOMY {
                rows.push(Row::default());
            }
        }
        rows.push(Row::of(Look::Dim, "─".repeat(width)));
        rows.truncate(height.saturating_sub(1));
        let room = height.saturating_sub(rows.len() + 2);
        rows.extend(self.log(width, room));
        if rows.len() + 2 <= height {
            rows.push(self.notice());
        }
        rows.push(keys::help());
        rows
    }

    fn title(&self, width: usize) -> Row {
        let speed = if self.day.as_millis().is_multiple_of(1000) {
            format!("{} s", self.day.as_secs())
        } else {
            format!("{} ms", self.day.as_millis())
        };
        let left = format!(" flowgate demo   {}   a day takes {speed}", minute(self.now));
        let right = format!("{} of {} events ", thousands(self.sent as u64), thousands(self.total as u64));
        let gap = width.saturating_sub(left.chars().count() + right.chars().count()).max(2);
        Row::of(Look::Bar, format!("{left}{}{right}", " ".repeat(gap)))
    }

    fn link(&self) -> Row {
        self.console.link().map_or_else(Row::default, |link| Row::of(Look::Dim, "  console: ").and(Look::Plain, link))
    }

    fn flow(&self, index: usize, name: &str, width: usize) -> [Row; 2] {
        let watched = self.flows.get(name);
        let state = watched.and_then(|watched| watched.state.as_ref()).map(|flow| &flow.state);
        let (look, word) = match state {
            None => (Look::Dim, "-"),
            Some(State::Live) => (Look::Live, "live"),
            Some(State::Paused(_)) => (Look::Paused, "paused"),
            Some(State::Resuming { .. }) => (Look::Resuming, "resuming"),
        };
        let mut first = match index == self.selected {
            true => Row::of(Look::Bold, "▸ ").and(Look::Bold, format!("{name:<13} ")),
            false => Row::of(Look::Plain, format!("  {name:<13} ")),
        };
        first = first.and(look, format!("{word:<8}"));
        let fates = watched.map(Watched::fates).unwrap_or_default();
        for (_, width, of) in COLUMNS {
            let count = of(fates);
            let shade = if count == 0 { Look::Dim } else { Look::Plain };
            first = first.and(shade, format!("{:>width$}", thousands(count)));
        }
        let meter = self.meters.get(name);
        let second = match state {
            None => Row::of(Look::Dim, "  no event yet"),
            Some(State::Live) => Row::of(Look::Dim, "  passes straight through"),
            Some(State::Paused(pause)) => self.pause(pause),
            Some(State::Resuming { .. }) => match meter.zip(watched).and_then(|(meter, of)| meter.drain(of)) {
                Some(progress) => draining(progress),
                None => Row::default(),
            },
        };
        let rate = meter.map(|meter| format!("{} a day", thousands(meter.a_day()))).unwrap_or_default();
        [first, second.and_right(Look::Dim, &rate, width)]
    }

    fn pause(&self, pause: &Pause) -> Row {
        let whole = pause.resumes_at.since(pause.paused_at).as_secs();
        let row = bar(Look::Paused, self.now.since(pause.paused_at).as_secs(), whole);
        let row = row.and(Look::Plain, format!("resumes in {}", span(pause.resumes_at.since(self.now))));
        let row = row.and(Look::Dim, format!(", {}", minute(pause.resumes_at)));
        let row = match pause.new_records {
            NewRecords::Queue => row,
            NewRecords::Discard => row.and(Look::Dim, ", discards new"),
        };
        match pause.keep {
            Keep::Latest => row,
            Keep::All => row.and(Look::Dim, ", keeps all"),
        }
    }

    /// The newest lines that fit.
    fn log(&self, width: usize, room: usize) -> Vec<Row> {
        if self.log.is_empty() {
            let hint = "  Press p to pause the selected flow: what arrives meanwhile is held.";
            let mut rows = vec![Row::of(Look::Dim, hint)];
            rows.resize(room.max(1), Row::default());
            rows.truncate(room);
            return rows;
        }
        let mut rows: Vec<Row> = Vec::new();
        for line in self.log.iter().rev() {
            let told = tell(line, width);
            if rows.len() + told.len() > room {
                break;
            }
            rows.splice(0..0, told);
        }
        rows.resize(room, Row::default());
        rows
    }

    fn notice(&self) -> Row {
        if let Some(trouble) = &self.trouble {
            return Row::of(Look::Paused, format!("  {trouble}"));
        }
        if self.sent < self.total {
            return Row::default();
        }
        Row::of(Look::Paused, "  The data ends here. The calendar goes on: keys still work, timers still run.")
    }
}

fn head() -> Row {
    let columns: String = COLUMNS.iter().map(|(name, width, _)| format!("{name:>width$}")).collect();
    Row::of(Look::Dim, format!("  {:<13} {:<8}{columns}", "FLOW", "STATE"))
}

fn bar(look: Look, part: u64, whole: u64) -> Row {
    let filled = if whole == 0 { BAR } else { (BAR * part.min(whole)).div_ceil(whole) };
    let filled = usize::try_from(filled.min(BAR)).unwrap_or_default();
    let rest = usize::try_from(BAR).unwrap_or_default().saturating_sub(filled);
    Row::of(Look::Plain, "  ").and(look, "█".repeat(filled)).and(Look::Dim, "░".repeat(rest)).and(Look::Plain, "  ")
}

fn draining(Progress { passed, of }: Progress) -> Row {
    let row = bar(Look::Resuming, passed, of);
    row.and(Look::Plain, format!("drains: {} of {} passed", thousands(passed), thousands(of)))
}

/// A line of the log, broken where the screen ends.
fn tell(line: &Line, width: usize) -> Vec<Row> {
    const INDENT: usize = 35;
    let head = format!("  {}  {:<13}  ", minute(line.at), line.flow);
    let room = width.saturating_sub(INDENT).max(20);
    let mut parts: Vec<String> = Vec::new();
    for word in line.text.split(' ') {
        match parts.last_mut().filter(|part| part.chars().count() + 1 + word.chars().count() <= room) {
            Some(part) => {
                part.push(' ');
                part.push_str(word);
            }
            None => parts.push(word.to_owned()),
        }
    }
    let mut rows = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        let head = if index == 0 { head.clone() } else { " ".repeat(INDENT) };
        rows.push(Row::of(Look::Dim, head).and(Look::Plain, part));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::backend::Way;
    use crate::demo::play::Play;
    use crate::demo::purchases::{POST_PURCHASE, WELCOME, WIN_BACK};
    use crate::demo::simulation::Simulation;

    const NAMES: [&str; 3] = [WELCOME, POST_PURCHASE, WIN_BACK];

    /// Every screen of the scripted months: 80 by 24 is full to the last row, and nothing is wider.
    #[test]
    fn every_day_fits() {
        let mut play = Play::<Simulation>::start((), Way::Fast).unwrap();
        let mut meters: BTreeMap<_, _> = NAMES.into_iter().map(|name| (name, Meter::default())).collect();
        let mut log = VecDeque::new();
        let mut seen = String::new();
        let mut noon = play.first_day();
        while noon < play.end_of_data().after(Duration::from_secs(20 * 24 * 60 * 60)) {
            // In the minute of the script's drain at a rate, too.
            noon = noon.after(Duration::from_secs(12 * 60 * 60));
            log.extend(play.run_until(noon).unwrap());
            let flows = play.session.watch.flows();
            for (name, meter) in &mut meters {
                if let Some(watched) = flows.get(*name) {
                    meter.note(noon, watched);
                }
            }
            let (sent, total) = (play.session.feed.sent(), play.session.feed.total());
            let (day, log, meters) = (Duration::from_secs(1), &log, &meters);
            let (names, trouble, console) = (&NAMES, None, &Console::At(([127, 0, 0, 1], 8714).into()));
            let view = View { now: noon, day, flows, names, meters, selected: 1, log, sent, total, console, trouble };
            for (width, height) in [(80, 24), (60, 14), (200, 50), (80, 3)] {
                let rows = view.rows((width, height));
                assert!(rows.len() <= usize::from(height), "{} rows at {height}", rows.len());
                assert!(rows.last().unwrap().text().contains("q quit"));
            }
            let rows = view.rows((80, 24));
            assert_eq!(rows.len(), 24);
            for row in &rows {
                assert!(row.width() <= 80, "{} columns: {}", row.width(), row.text());
            }
            seen = rows.iter().map(|row| row.text() + "\n").fold(seen, |seen, row| seen + &row);
        }
        for part in [
            "console: http://127.0.0.1:8714/",
            "no event yet",
            "passes straight through",
            "resumes in 13 d 21 h, 1997-01-27 09:00",
            "discards new",
            "drains: ",
            "28,094 of 28,094 events",
            "The data ends here.",
        ] {
            assert!(seen.contains(part), "never shown: {part}");
        }
    }
}
