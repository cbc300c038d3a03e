//! How old events are when they can be read downstream, at a steady pace.

use std::thread;
use std::time::{Duration, Instant};

use flowgate::schema::topics::Topics;

use crate::case::Case;
use crate::contestant::{Contestant, directory};
use crate::figures::{Figures, Latency};
use crate::fill::Upstream;
use crate::meter::Meter;
use crate::site::Site;
use crate::stream::{Age, Source, downstream};
use crate::watch::{Mark, Progress, Watcher};
use crate::{Result, event};

pub const PER_SECOND: u32 = 20_000;

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let flows = event::flows(case.flows);
    let introduced = Upstream::new(&site.brokers, topics, flows.clone())?.introduce(&watcher)?;
    let mut contender = contestant.start(case, directory.path(), &site.brokers, topics)?;
    watcher.until_committed(&topics.enrollments, &introduced, &mut contender)?;
    site.settle(contender.pid())?;
    let downstream = downstream(site, topics, &watcher, |_| true)?;
    let source = Source::new(&site.brokers, topics, flows)?;

    let (meter, began) = (Meter::start(site, contender.pid())?, Instant::now());
    let records = case.records;
    let upstream = thread::spawn(move || source.send(PER_SECOND, |sent| sent < records));
    let (mut ages, mut first, mut heard) = (Vec::with_capacity(records as usize), None, began);
    while ages.len() < records as usize {
        let Some(message) = downstream.poll(Duration::from_millis(100)).transpose()? else {
            contender.check()?;
            if heard.elapsed() > Duration::from_secs(60) {
                if upstream.is_finished()
                    && let Ok(Err(error)) = upstream.join()
                {
                    return Err(error);
                }
                return Err(format!("{} of {records} events:\n{}", ages.len(), contender.last_words()).into());
            }
            continue;
        };
        heard = Instant::now();
        first = first.or(Some(Mark { after: began.elapsed(), records: 1 }));
        ages.push(Age::of(&message)?.millis());
    }
    upstream.join().map_err(|_| "the upstream has panicked")??;
    let last = Mark { after: began.elapsed(), records: records.into() };
    let progress = Progress { first: first.unwrap_or(last), last, noted: meter.read()? };
    Ok(Figures {
        // Without the first second, or half of all: until everything is in its stride.
        latency: Latency::of(ages.split_off(ages.len().min(2 * PER_SECOND as usize) / 2)),
        ..Figures::of(last.records, &progress)
    })
}
