//! The operator: orders by commands in the control topic, as the command line does.

use std::time::Duration;

use super::patience::patiently;
use crate::broker::{Action as Todo, Broker, Code, Error, Publication, Publisher, Result};
use crate::flow::{Action, Command, CommandId, Expect, FlowId, Target};
use crate::schema;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// How long a command may take until the broker has it.
const LIMIT: Duration = Duration::from_secs(10);

/// What an operator wants of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub flow: &'static str,
    pub action: Action,
    pub reason: Option<&'static str>,
}

/// Somebody who gives orders.
pub struct Operator<B: Broker> {
    publisher: B::Publisher,
    topic: String,
    name: &'static str,
    orders: u64,
}

impl<B: Broker> Operator<B> {
    /// # Errors
    /// The broker's, if it cannot be reached.
    pub fn new(broker: &B, topics: &Topics, name: &'static str) -> Result<Self> {
        Ok(Self { publisher: broker.publisher()?, topic: topics.control.clone(), name, orders: 0 })
    }

    /// How many orders were given.
    #[must_use]
    pub fn orders(&self) -> u64 {
        self.orders
    }

    /// Writes a command. Its answer comes in the audit. `now`: by the gate's clock.
    ///
    /// # Errors
    /// The broker's, if it refused the command.
    pub fn order(&mut self, order: &Order, now: Timestamp) -> Result<()> {
        self.orders += 1;
        let invalid = |why| Error::new(Todo::Stop, Code::InvalidArgument, format!("the demo made a bad id: it {why}"));
        let command = Command {
            id: CommandId::new(&format!("{}-{}-{}", self.name, now.0, self.orders)).map_err(invalid)?,
            target: Target::Flow(FlowId::new(order.flow).map_err(invalid)?),
            action: order.action.clone(),
            issued_by: self.name.to_owned(),
            issued_at: Some(now),
            reason: order.reason.map(str::to_owned),
            expect: Expect::default(),
        };
        let value = schema::command::write(&command);
        let record = Publication {
            topic: &self.topic,
            partition: Some(0),
            timestamp: None,
            key: Some(order.flow.as_bytes()),
            value: Some(&value),
            headers: &[],
        };
        patiently(|| self.publisher.publish(&record))?;
        self.publisher.flush(LIMIT)?.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(())
    }
}
