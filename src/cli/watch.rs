//! `flowgate flows --watch`: the whole table again and again in a terminal, else a line for each change.
//!
//! A busy flow changes its counts with every turn: of those alone a line says no more than once a second.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::{Duration, Instant};

use crossterm::cursor::MoveTo;
use crossterm::queue;
use crossterm::style::Print;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use serde_json::json;

use super::flows::{Args, READ};
use super::listing::{ListFormat, Listing};
use super::output::json_line;
use super::screen::Screen;
use super::table::{Layout, cut};
use super::{Failure, exit};
use crate::broker::Broker;
use crate::client::states::{Known, States};
use crate::clock;
use crate::legible::legible;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// Durations in the table go on by themselves.
const AGAIN: Duration = Duration::from_secs(1);

/// The table is drawn no more often.
const SOONEST: Duration = Duration::from_millis(200);

/// # Errors
/// The broker's; [`exit::CONFIGURATION`]: a format that has an end.
pub fn watch<B: Broker>(
    args: &Args,
    broker: &B,
    topics: &Topics,
    screen: &Screen,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let format = args.listing.format;
    if matches!(format, ListFormat::Json | ListFormat::Yaml) {
        let what = "`--watch` goes on without end, and a document in JSON or YAML has one";
        return Err(Failure::new(exit::CONFIGURATION, what).hint("write `-o jsonl`: a line for each change"));
    }
    screen.hear_signals()?;
    let mut states = States::open(broker, topics)?;
    states.catch_up(READ)?;
    match screen.terminal && matches!(format, ListFormat::Table | ListFormat::Wide) {
        true => redraw(args, states, screen, out),
        false => lines(args, states, screen, out),
    }
}

fn redraw<B: Broker>(args: &Args, mut states: States<B>, screen: &Screen, out: &mut dyn Write) -> Result<(), Failure> {
    let (mut drawn, mut changed): (Option<Instant>, bool) = (None, true);
    while !screen.is_ended() {
        let due = if changed { SOONEST } else { AGAIN };
        if drawn.is_none_or(|drawn| drawn.elapsed() >= due) {
            draw(&picture(args, &states, screen.size(), clock::now()), out)?;
            (drawn, changed) = (Some(Instant::now()), false);
        }
        changed |= !states.poll_changed()?.is_empty();
    }
    Ok(())
}

/// The lines of the table, as many and as wide as fit.
fn picture<B: Broker>(args: &Args, states: &States<B>, size: (u16, u16), now: Timestamp) -> Vec<String> {
    let listing = args.listing;
    let chosen = args.chosen(states, now);
    let (columns, height) = (usize::from(size.0), usize::from(size.1));
    // One line is left to the cursor, two are about the table.
    let room = height.saturating_sub(if listing.no_headers { 2 } else { 3 });
    let rows: Vec<Vec<String>> = chosen.iter().take(room).map(|known| listing.row(known, now)).collect();
    let layout = Layout::of(listing.header(), rows.iter());
    let more = match chosen.len().saturating_sub(rows.len()) {
        0 => String::new(),
        more => format!(", {more} more below"),
    };
    let mut lines = vec![format!("{now}: {} of {} flows{more}; Ctrl-C ends", chosen.len(), states.flows.len())];
    lines.extend((!listing.no_headers).then(|| layout.line(listing.header())));
    lines.extend(rows.iter().map(|row| layout.line(row)));
    lines.iter().map(|line| cut(line, columns)).collect()
}

/// In one go: a terminal that can, shows no half of it.
fn draw(lines: &[String], out: &mut dyn Write) -> Result<(), Failure> {
    let mut drawn = Vec::new();
    queue!(drawn, BeginSynchronizedUpdate, MoveTo(0, 0))?;
    for line in lines {
        queue!(drawn, Print(line), Clear(ClearType::UntilNewLine), Print("\r\n"))?;
    }
    queue!(drawn, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
    out.write_all(&drawn)?;
    Ok(out.flush()?)
}

fn lines<B: Broker>(args: &Args, mut states: States<B>, screen: &Screen, out: &mut dyn Write) -> Result<(), Failure> {
    let listing = args.listing;
    let now = clock::now();
    let first = args.chosen(&states, now);
    listing.write(out, screen.terminal, first.iter().copied(), now)?;
    let layout = Layout::of(listing.header(), first.iter().map(|known| listing.row(known, now)));
    let mut shown: BTreeMap<String, &str> = first.iter().map(|known| is_now(known)).collect();
    let (mut waiting, mut written) = (BTreeSet::new(), Instant::now());
    out.flush()?;
    while !screen.is_ended() {
        waiting.extend(states.poll_changed()?);
        let all = written.elapsed() >= AGAIN;
        if all {
            written = Instant::now();
        }
        // The others differ by their counts alone.
        let differs =
            |id: &String| states.flows.get(id.as_str()).map(is_now).map(|(_, state)| state) != shown.get(id).copied();
        let (due, later): (BTreeSet<String>, _) = waiting.into_iter().partition(|id| all || differs(id));
        waiting = later;
        for id in due {
            let now = clock::now();
            let known = states.flows.get(id.as_str());
            // What was shown and is like that no more is shown once more: as it is now.
            let wanted = known.filter(|known| args.wants(known, now)).map(is_now);
            let is_wanted = wanted.is_some();
            let before = match wanted {
                Some((id, state)) => shown.insert(id, state).is_some(),
                None => shown.remove(&id).is_some(),
            };
            match known {
                Some(known) if is_wanted || before => line(listing, &layout, known, screen, now, out)?,
                None if before => forgotten(listing, &layout, &id, out)?,
                _ => {}
            }
        }
        out.flush()?;
    }
    Ok(())
}

/// What of a flow is told at once when it changes.
fn is_now(known: &Known) -> (String, &'static str) {
    (known.flow.id.to_string(), known.flow.state_word())
}

fn line(
    listing: Listing,
    layout: &Layout,
    known: &Known,
    screen: &Screen,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match listing.format {
        ListFormat::Table | ListFormat::Wide => Ok(writeln!(out, "{}", layout.line(&listing.row(known, now)))?),
        _ => Listing { no_headers: true, ..listing }.write(out, screen.terminal, std::iter::once(known), now),
    }
}

fn forgotten(listing: Listing, layout: &Layout, id: &str, out: &mut dyn Write) -> Result<(), Failure> {
    match listing.format {
        ListFormat::Table | ListFormat::Wide => Ok(writeln!(out, "{}", layout.line(&[id, "forgotten"]))?),
        ListFormat::Jsonl => json_line(out, &json!({"flow_id": id, "state": "forgotten"})),
        ListFormat::Name => Ok(writeln!(out, "{}", legible(id))?),
        // A row of nothing but an id would look like a flow.
        ListFormat::Csv | ListFormat::Json | ListFormat::Yaml => Ok(()),
    }
}
