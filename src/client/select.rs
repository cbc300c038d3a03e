//! `state=paused,match=promo*,held>0`: which flows, by what is known of them.

use std::cmp::Ordering;
use std::str::FromStr;

use super::glob::Glob;
use crate::duration;
use crate::flow::{Flow, State};
use crate::time::Timestamp;

/// Terms that all have to hold.
#[derive(Clone, Debug)]
pub struct Selection(Vec<Term>);

#[derive(Clone, Debug)]
enum Term {
    /// One of these states; or none of them.
    State(Vec<&'static str>, bool),
    Match(Glob, bool),
    By(Glob, bool),
    Held(Comparison, u64),
    /// In milliseconds.
    PausedFor(Comparison, u64),
    ResumesIn(Comparison, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Is,
    IsNot,
    Less,
    AtMost,
    More,
    AtLeast,
}

const STATES: [&str; 3] = ["live", "paused", "resuming"];

/// The longer ones first: `>` begins `>=`.
const OPERATORS: [(&str, Comparison); 6] = [
    ("!=", Comparison::IsNot),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("=", Comparison::Is),
    ("<", Comparison::Less),
    (">", Comparison::More),
];

impl Selection {
    pub fn fits(&self, flow: &Flow, now: Timestamp) -> bool {
        self.0.iter().all(|term| term.fits(flow, now))
    }
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        split(text).map(|term| Term::read(&term)).collect::<Result<_, _>>().map(Self)
    }
}

/// At commas, but for those behind a `\`. Of those the `\` stays: patterns take it away.
fn split(text: &str) -> impl Iterator<Item = String> {
    let mut terms = vec![String::new()];
    let mut taken = false;
    for c in text.chars() {
        match c {
            ',' if !taken => terms.push(String::new()),
            c => terms.last_mut().into_iter().for_each(|term| term.push(c)),
        }
        taken = c == '\\' && !taken;
    }
    terms.into_iter()
}

impl Term {
    fn read(term: &str) -> Result<Self, String> {
        let name = term.chars().take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect::<String>();
        let rest = &term[name.len()..];
        let name = name.as_str();
        const FIELDS: &str = "state, match, by, held, paused_for or resumes_in";
        if name.is_empty() {
            return Err(format!("`{term}` has no field: write {FIELDS}, such as `state=paused`"));
        }
        let known = ["state", "match", "by", "held", "paused_for", "resumes_in"].contains(&name);
        if !known {
            return Err(format!("there is no field `{name}`; write {FIELDS}"));
        }
        let Some((sign, comparison)) = OPERATORS.into_iter().find(|(sign, _)| rest.starts_with(sign)) else {
            return Err(format!("`{name}` is compared with nothing: write such as `{}`", example(name)));
        };
        let value = &rest[sign.len()..];
        let wrong = |why: String| format!("`{name}`: {why}; write such as `{}`", example(name));
        let equal = || match comparison {
            Comparison::Is => Ok(true),
            Comparison::IsNot => Ok(false),
            _ => Err(wrong(format!("`{sign}` compares numbers, and this is none"))),
        };
        let glob = || match value {
            "" => Err(wrong("a pattern is missing".to_owned())),
            pattern => Glob::new(pattern).map_err(wrong),
        };
        let length = || {
            let length = duration::parse(value).map_err(wrong)?;
            Ok::<_, String>(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
        };
        Ok(match name {
            "state" => Self::State(states(value).map_err(wrong)?, equal()?),
            "match" => Self::Match(glob()?, equal()?),
            "by" => Self::By(glob()?, equal()?),
            "held" => {
                let number = value.parse().map_err(|_| wrong(format!("`{value}` is no number of events")))?;
                Self::Held(comparison, number)
            }
            "paused_for" => Self::PausedFor(comparison, length()?),
            _ => Self::ResumesIn(comparison, length()?),
        })
    }

    /// What is about a pause fits no flow that has none.
    fn fits(&self, flow: &Flow, now: Timestamp) -> bool {
        let millis = |length: std::time::Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        match self {
            Self::State(states, is) => states.contains(&flow.state_word()) == *is,
            Self::Match(glob, is) => glob.fits(flow.id.as_str()) == *is,
            Self::By(glob, is) => flow.pause().is_some_and(|pause| glob.fits(&pause.by) == *is),
            Self::Held(comparison, number) => comparison.holds(flow.counts.held().total(), *number),
            Self::PausedFor(comparison, length) => {
                flow.pause().is_some_and(|pause| comparison.holds(millis(now.since(pause.paused_at)), *length))
            }
            Self::ResumesIn(comparison, length) => match &flow.state {
                State::Paused(pause) => comparison.holds(millis(pause.resumes_at.since(now)), *length),
                State::Live | State::Resuming { .. } => false,
            },
        }
    }
}

fn example(field: &str) -> &'static str {
    match field {
        "state" => "state=paused|resuming",
        "match" => "match=promo*",
        "by" => "by=ops@*",
        "held" => "held>0",
        "paused_for" => "paused_for>3d",
        _ => "resumes_in<12h",
    }
}

fn states(text: &str) -> Result<Vec<&'static str>, String> {
    let state = |word: &str| {
        let state = STATES.into_iter().find(|state| *state == word);
        state.ok_or_else(|| format!("`{word}` is no state; there are live, paused and resuming"))
    };
    text.split('|').map(state).collect()
}

impl Comparison {
    fn holds(self, one: u64, other: u64) -> bool {
        let order = one.cmp(&other);
        match self {
            Self::Is => order == Ordering::Equal,
            Self::IsNot => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::More => order == Ordering::Greater,
            Self::AtLeast => order != Ordering::Less,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::tests::flows::{live, paused};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn all_terms_have_to_hold() {
        let hour = Duration::from_secs(3600);
        let promo = paused("promo,1", 3, NOW.before(hour * 2), NOW.after(hour));
        let welcome = live("welcome");
        for (text, of_promo, of_welcome) in [
            ("state=paused", true, false),
            ("state=paused|live", true, true),
            ("state!=paused|resuming", false, true),
            ("match=promo*", true, false),
            ("match=promo\\,?", true, false),
            ("match!=promo*", false, true),
            ("held>0", true, false),
            ("held>=3,held<=3", true, false),
            ("held<3", false, true),
            ("held=0", false, true),
            ("held!=0", true, false),
            ("by=ops@*", true, false),
            ("by!=ops@*", false, false),
            ("paused_for>1h59m", true, false),
            ("paused_for<2h", false, false),
            ("resumes_in<=1h", true, false),
            ("resumes_in>1h", false, false),
            ("state=paused,match=promo*,held>0", true, false),
            ("state=paused,match=x", false, false),
        ] {
            let selection: Selection = text.parse().unwrap();
            assert_eq!(
                (selection.fits(&promo.flow, NOW), selection.fits(&welcome.flow, NOW)),
                (of_promo, of_welcome),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_the_field_and_what_would_be_right() {
        for (text, told) in [
            ("", "`` has no field: write state, match, by, held, paused_for or resumes_in, such as `state=paused`"),
            ("state=paused,", "`` has no field"),
            ("stat=paused", "there is no field `stat`; write state, match,"),
            ("state", "`state` is compared with nothing: write such as `state=paused|resuming`"),
            ("state=gone", "`state`: `gone` is no state; there are live, paused and resuming; write such as"),
            ("state>live", "`state`: `>` compares numbers, and this is none; write such as `state=paused|resuming`"),
            ("held>many", "`held`: `many` is no number of events; write such as `held>0`"),
            ("held==1", "`held`: `=1` is no number of events; write such as `held>0`"),
            ("match=", "`match`: a pattern is missing; write such as `match=promo*`"),
            ("paused_for>3", "`paused_for`: `3` is no duration; write numbers with d, h, m, s or ms"),
        ] {
            let error = text.parse::<Selection>().unwrap_err();
            assert!(error.starts_with(told), "{text}: {error}");
        }
    }
}
