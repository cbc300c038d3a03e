//! Several instances: a flow for each partition, and for each instance its share of these.

use std::time::Duration;

use flowgate::broker::murmur2::partition_for;

use crate::gate::Gate;
use crate::site::PARTITIONS;
use crate::{Result, event};

/// So many flows, of which at least one is at home in each partition.
pub fn flows(number: u32) -> Result<Vec<String>> {
    let flows = event::flows(number);
    let homes = |partition| flows.iter().any(|flow| partition_for(flow.as_bytes(), PARTITIONS) == partition);
    match (0..PARTITIONS).all(homes) {
        true => Ok(flows),
        false => Err("not every partition has a flow: take more of them".into()),
    }
}

/// Until each has its share of the partitions, restored.
pub fn until_shared(gates: &mut [Gate]) -> Result<()> {
    let share = f64::from(PARTITIONS) / gates.len() as f64;
    for gate in gates {
        gate.until("it has its share of the partitions", Duration::from_secs(120), |now| {
            let active = now.get(r#"flowgate_partitions{stage="active"}"#)?;
            Ok(now.get("flowgate_ready")? == 1.0 && active == share)
        })?;
    }
    Ok(())
}
