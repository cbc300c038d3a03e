//! Where the input stands, as the group has committed it, against what the gate's own partition records say.

use flowgate::broker::Isolation;
use flowgate::broker::memory::Memory;
use flowgate::schema;
use flowgate::schema::topics::Topics;

use crate::machine::is_a_turns_name;
use crate::plan::PARTITIONS;

/// Looks at the committed offsets again and again.
#[derive(Default)]
pub(crate) struct Reached {
    /// By partition: the farthest that was seen.
    reached: [i64; PARTITIONS as usize],
}

impl Reached {
    /// No turn commits an offset that lies before the input position in its partition's record: events would be delivered
    /// twice. A gate that finds such an offset, whoever set it back, has to end instead.
    ///
    /// # Errors
    /// A sentence: a turn did so.
    pub(crate) fn look(&mut self, memory: &Memory, topics: &Topics) -> Result<(), String> {
        for (partition, reached) in (0..PARTITIONS).zip(&mut self.reached) {
            let Some(committed) = memory.committed(&topics.group, &topics.enrollments, partition) else { continue };
            // Only what went back needs a look at the record.
            if committed.offset < *reached && is_a_turns_name(&committed.metadata) {
                let recorded = recorded(memory, topics, partition)?;
                if committed.offset < recorded {
                    return Err(format!(
                        "turn {} committed offset {} of partition {partition}, whose record says that {recorded} was reached",
                        committed.metadata, committed.offset
                    ));
                }
            }
            *reached = committed.offset.max(*reached);
        }
        Ok(())
    }
}

/// The farthest input position that a record of the partition has named: the turn itself may have written another one.
fn recorded(memory: &Memory, topics: &Topics, partition: i32) -> Result<i64, String> {
    let states = memory.dump(&topics.state, partition, Isolation::ReadCommitted).map_err(|error| error.to_string())?;
    let records = states.iter().filter(|record| record.key.as_deref() == Some(b""));
    let mut farthest = 0;
    for value in records.filter_map(|record| record.value.as_deref()) {
        let record = schema::partition::read(value).map_err(|error| error.to_string())?;
        farthest = farthest.max(record.body.input);
    }
    Ok(farthest)
}
