//! Says what happened to the flows, a line each, from what the audit and the topics tell.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::show::{minute, span, thousands};
use super::watch::{Fates, News, Watched};
use crate::flow::{
    Action, AuditEvent, Cause, Command, Happening, Keep, NewRecords, OnExpiry, PauseOrder, Release, ResumeOrder,
    Transition, Verdict,
};
use crate::legible::legible;
use crate::time::Timestamp;

/// Something that happened to a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub at: Timestamp,
    pub flow: String,
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, flow, text } = self;
        write!(f, "{}  {:<13}  {}", minute(*at), legible(flow), legible(text))
    }
}

/// What was told of each flow so far.
#[derive(Default)]
pub struct Story {
    chapters: HashMap<String, Chapter>,
    /// Applied commands by their offset, until their transition has come.
    commands: BTreeMap<i64, Command>,
}

#[derive(Default)]
struct Chapter {
    /// The fates as they were when something of them was last told.
    told: Fates,
    /// Held events, passed or not, when a drain's beginning was told.
    queued: Option<u64>,
    /// Withdraws that took something out since the last pause.
    withdrawn: u64,
    /// A drain has begun and is told; it has not ended.
    draining_since: Option<Timestamp>,
}

/// A drain that began in this very batch of news: if it ends in it as well, one line is enough.
struct Begun {
    at: Timestamp,
    text: String,
}

impl Story {
    /// Tells the news; `flows` as they are after it.
    pub fn tell(&mut self, mut news: Vec<News>, flows: &BTreeMap<String, Watched>) -> Vec<Line> {
        for event in news.iter().filter_map(News::answer) {
            self.commands.insert(event.0, event.1.clone());
        }
        // Several partitions tell, each in its order.
        news.sort_by_key(News::at);
        let mut lines = Vec::new();
        let mut begun: BTreeMap<String, Begun> = BTreeMap::new();
        for item in news {
            match item {
                News::TakenOut { flow, record, at } => lines.extend(self.taken_out(flow, record.as_str(), at)),
                News::Audit(event) => lines.extend(self.audit(*event, flows, &mut begun)),
            }
        }
        for (flow, Begun { at, text }) in begun {
            let chapter = self.chapters.entry(flow.clone()).or_default();
            chapter.draining_since = Some(at);
            let fates = flows.get(&flow).map(Watched::fates).unwrap_or_default();
            let held = fates.passed() - chapter.told.passed() + fates.held;
            let text = format!("{text}: {} held{}", thousands(held), chapter.turned_away(fates));
            chapter.told.turned_away = fates.turned_away;
            chapter.queued = Some(fates.passed() + fates.held);
            lines.push(Line { at, flow, text });
        }
        self.commands.clear();
        lines.sort_by_key(|line| line.at);
        lines
    }

    fn taken_out(&mut self, flow: String, record: &str, at: Timestamp) -> Option<Line> {
        let chapter = self.chapters.entry(flow.clone()).or_default();
        chapter.withdrawn += 1;
        // The first of a pause shows what happens; a line for each would hide the rest.
        let text = format!("withdraw of {record} delivered at once; what was held of {record} is taken out");
        (chapter.withdrawn == 1).then_some(Line { at, flow, text })
    }

    fn audit(
        &mut self,
        event: AuditEvent,
        flows: &BTreeMap<String, Watched>,
        begun: &mut BTreeMap<String, Begun>,
    ) -> Option<Line> {
        let flow = event.flow?.as_str().to_owned();
        let watched = flows.get(&flow);
        let fates = watched.map(Watched::fates).unwrap_or_default();
        let chapter = self.chapters.entry(flow.clone()).or_default();
        let (transition, offset) = match event.happening {
            Happening::Transition { transition, command, .. } => (transition, command),
            Happening::Answer { command, outcome, .. } => {
                let word = command.action.word();
                let text = match outcome.verdict {
                    Verdict::Applied => return None,
                    Verdict::Unchanged => format!("{word} by {}: {}", command.issued_by, outcome.detail),
                    Verdict::Rejected => format!("{word} by {} rejected: {}", command.issued_by, outcome.detail),
                };
                return Some(Line { at: event.at, flow, text });
            }
        };
        let command = offset.and_then(|offset| self.commands.get(&offset));
        let by = command.map(by).unwrap_or_default();
        let until = || {
            let pause = watched.and_then(|watched| watched.state.as_ref()).and_then(|flow| flow.pause());
            let until = pause.map(|pause| format!(" until {}", minute(pause.resumes_at))).unwrap_or_default();
            format!("{until}{}", command.map(pause_options).unwrap_or_default())
        };
        let text = match transition {
            Transition::Seen => return None,
            Transition::Paused => {
                *chapter = Chapter { told: fates, ..Chapter::default() };
                format!("paused{by}{}", until())
            }
            Transition::Purging => format!("purging{by}"),
            Transition::Purged(done) => format!("purged: {} events", thousands(done.count.total())),
            Transition::Sampling => format!("a sample is released{by}"),
            Transition::Sampled(done) => format!("sampled: {} events", thousands(done.count.total())),
            Transition::LossAccepted(loss) => {
                format!("{} held events accepted as lost{by}", thousands(loss.done.count.total()))
            }
            Transition::Expiring(warning) => format!("expires in less than {}", span(warning.ahead())),
            Transition::Forgotten => format!("forgotten{by}"),
            Transition::Updated => format!("pause changed{by}:{}", until()),
            Transition::Redirected => format!("drain changed{by}{}", command.map(resume_options).unwrap_or_default()),
            Transition::Resumed(cause) => {
                let text = match cause {
                    Cause::Resume => format!("resumed{by}{}", command.map(resume_options).unwrap_or_default()),
                    Cause::Timer => "expired, resumed by the timer".to_owned(),
                };
                begun.insert(flow, Begun { at: event.at, text });
                return None;
            }
            Transition::Repaused => {
                let passed = chapter.passed(fates);
                let held = thousands(fates.held);
                let text = format!("paused again in the drain{by}{}: {passed}; {held} stay held", until());
                *chapter = Chapter { told: fates, ..Chapter::default() };
                text
            }
            Transition::WentLive => {
                let passed = chapter.passed(fates);
                let held = thousands(fates.passed() - chapter.told.passed());
                let turned_away = chapter.turned_away(fates);
                let since = chapter.draining_since;
                *chapter = Chapter { told: fates, ..Chapter::default() };
                match begun.remove(&flow) {
                    Some(Begun { text, .. }) => format!("{text}: {held} held → {passed}{turned_away}"),
                    None => {
                        let took = since.map(|since| format!(" after {}", span(event.at.since(since))));
                        format!("live again{}: {passed}{turned_away}", took.unwrap_or_default())
                    }
                }
            }
        };
        Some(Line { at: event.at, flow, text })
    }
}

impl Chapter {
    /// What became of held events since it was last told.
    fn passed(&self, now: Fates) -> String {
        let told = self.told;
        let parts = [
            (now.released - told.released, "released"),
            (now.replaced - told.replaced, "replaced"),
            (now.removed - told.removed, "removed"),
        ];
        let parts = parts.into_iter().filter(|(count, word)| *count > 0 || *word == "released");
        let parts = parts.map(|(count, word)| format!("{} {word}", thousands(count))).collect::<Vec<_>>().join(", ");
        let arrived = self.queued.map_or(0, |queued| now.passed() + now.held - queued);
        let asides = [(arrived, "came in meanwhile"), (self.withdrawn, "withdrawn")];
        let asides = asides.into_iter().filter(|(count, _)| *count > 0);
        match asides.map(|(count, word)| format!("{} {word}", thousands(count))).reduce(|a, b| format!("{a}, {b}")) {
            Some(asides) => format!("{parts} ({asides})"),
            None => parts,
        }
    }

    fn turned_away(&self, now: Fates) -> String {
        match now.turned_away - self.told.turned_away {
            0 => String::new(),
            count => format!("; {} new records were turned away", thousands(count)),
        }
    }
}

impl Fates {
    /// Held events that have their fate.
    fn passed(self) -> u64 {
        self.released + self.replaced + self.removed
    }
}

impl News {
    fn at(&self) -> Timestamp {
        match self {
            Self::Audit(event) => event.at,
            Self::TakenOut { at, .. } => *at,
        }
    }

    fn answer(&self) -> Option<(i64, &Command)> {
        match self {
            Self::Audit(event) => match &event.happening {
                Happening::Answer { command, offset, .. } => Some((*offset, command)),
                Happening::Transition { .. } => None,
            },
            Self::TakenOut { .. } => None,
        }
    }
}

fn by(command: &Command) -> String {
    match &command.reason {
        Some(reason) => format!(" by {} ({reason})", command.issued_by),
        None => format!(" by {}", command.issued_by),
    }
}

fn pause_options(command: &Command) -> String {
    let Action::Pause(PauseOrder { new_records, keep, on_expiry, .. }) = &command.action else { return String::new() };
    let mut text = String::new();
    if *new_records == Some(NewRecords::Discard) {
        text.push_str("; new records are turned away");
    }
    if *keep == Some(Keep::All) {
        text.push_str("; all events of a record are kept");
    }
    if *on_expiry == Some(OnExpiry::Discard) {
        text.push_str("; what is held then is dropped");
    }
    text
}

fn resume_options(command: &Command) -> String {
    let Action::Resume(ResumeOrder { release, max_rate, .. }) = &command.action else { return String::new() };
    let mut text = String::new();
    if *release == Some(Release::None) {
        text.push_str(", dropping what is held");
    }
    if let Some(rate) = max_rate {
        text.push_str(&format!(" at {rate} record/s"));
    }
    text
}
