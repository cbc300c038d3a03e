//! Where the input stands, as the group has committed it, against what the gate's own partition records say.

use flowgate::broker::Isolation;
use flowgate::broker::memory::Memory;
use flowgate::schema;
use flowgate::schema::topics::Topics;

use crate::plan::PARTITIONS;
use crate::world::is_a_turns_name;

/// Looks at the committed offsets again and again.
#[derive(Default)]
pub struct Positions {
    /// By partition: the farthest that was seen.
    reached: [i64; PARTITIONS as usize],
}

impl Positions {
    /// No turn commits an offset that lies before the input position in its partition's record: events would be delivered
    /// twice. A gate that finds such an offset, whoever set it back, has to end instead.
    ///
    /// # Errors
    /// A sentence: a turn did so.
    pub fn look(&mut self, memory: &Memory, topics: &Topics) -> Result<(), String> {
        for (partition, reached) in (0..PARTITIONS).zip(&mut self.reached) {
            let Some(committed) = memory.committed(&topics.group, &topics.enrollments, partition) else { continue };
            // Only what went back needs a look at the record.
            if committed.offset < *reached && is_a_turns_name(&committed.metadata) {
                let recorded = recorded(memory, topics, partition)?;
                if recorded.is_some_and(|recorded| committed.offset < recorded) {
                    return Err(format!(
                        "turn {} committed offset {} of partition {partition}, whose record says that {} was reached",
                        committed.metadata,
                        committed.offset,
                        recorded.unwrap_or_default()
                    ));
                }
            }
            *reached = committed.offset.max(*reached);
        }
        Ok(())
    }
}

/// The input position in the record of a partition.
fn recorded(memory: &Memory, topics: &Topics, partition: i32) -> Result<Option<i64>, String> {
    let states = memory.dump(&topics.state, partition, Isolation::ReadCommitted).map_err(|error| error.to_string())?;
    let newest = states.iter().rev().find(|record| record.key.as_deref() == Some(b""));
    let Some(value) = newest.and_then(|record| record.value.as_deref()) else { return Ok(None) };
    let record = schema::partition::read(value).map_err(|error| error.to_string())?;
    Ok(Some(record.body.input))
}
