//! What the audit says of a pause of every flow, as it comes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use flowgate::clock;
use flowgate::flow::{Happening, Target, Transition, Verdict};
use flowgate::schema;
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use rdkafka::Message as _;
use rdkafka::consumer::BaseConsumer;

use crate::Result;
use crate::child::Contender;
use crate::site::{PARTITIONS, Site};
use crate::stream::reader;
use crate::transactions::Runs;
use crate::watch::Watcher;

/// How long the answers may take.
const LIMIT: Duration = Duration::from_secs(120);

/// A reader of what is told from its making on.
pub struct Audit(BaseConsumer);

/// Everything that there is to tell of such a pause.
pub struct Told {
    /// When the gate applied it, by its own account, and when every partition's answer could be read.
    pub applied: Timestamp,
    pub answered: Timestamp,
    /// By flow: what lies below this offset of its home partition came before the pause.
    pub positions: HashMap<String, i64>,
    /// Where all of it stands.
    pub runs: Runs,
}

impl Audit {
    pub fn listen(site: &Site, topics: &Topics, watcher: &Watcher) -> Result<Self> {
        Ok(Self(reader(site, &topics.audit, watcher, |_| true)?))
    }

    /// Reads until every partition has answered, and so many flows are paused.
    pub fn until_paused(&self, flows: u32, gate: &mut Contender) -> Result<Told> {
        let (began, mut answers) = (Instant::now(), 0);
        let never = Timestamp::default();
        let mut told = Told { applied: never, answered: never, positions: HashMap::new(), runs: Runs::default() };
        while answers < PARTITIONS || told.positions.len() < flows as usize {
            if began.elapsed() > LIMIT {
                let (paused, said) = (told.positions.len(), gate.last_words());
                return Err(format!("{answers} answers, {paused} of {flows} flows paused, and no more:\n{said}").into());
            }
            let Some(message) = self.0.poll(Duration::from_millis(20)).transpose()? else {
                gate.check()?;
                continue;
            };
            told.runs.add(&message);
            let event = schema::audit::read(message.payload().unwrap_or_default())?;
            match (event.happening, event.flow) {
                (Happening::Answer { command, outcome, .. }, None)
                    if command.target == Target::Every && outcome.verdict == Verdict::Applied =>
                {
                    answers += 1;
                    (told.applied, told.answered) = (event.at, clock::now());
                }
                (Happening::Transition { transition: Transition::Paused, .. }, Some(flow)) => {
                    if told.positions.insert(flow.to_string(), event.position.input).is_some() {
                        return Err(format!("{flow} was paused twice").into());
                    }
                }
                (other, flow) => return Err(format!("the audit tells of {flow:?}: {other:?}").into()),
            }
        }
        Ok(told)
    }
}
