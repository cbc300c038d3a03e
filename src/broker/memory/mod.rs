//! The in-process adapter: one broker in this process's memory with Kafka's semantics, for the simulator, the tests and
//! `flowgate demo`. Never offered as a store.
//!
//! - `log`: one partition, what its readers see; `clean`: what takes records out of it.
//! - `topic`: names and settings; `size`: what a record weighs.
//! - `coordinator`: transactional ids and epochs; `transaction`: how a transaction goes, and its markers.
//! - `group`, `group_member`: a consumer group and who is in it; `assign`: who gets what; `membership`: who comes and goes.
//! - `state`: all of that; `handle`: it behind a lock; `driver`: what the driver does with it.
//! - `member`, `reader`, `producer`, `publisher`: the clients.
//! - `fault`: what a driver can make go wrong; `stray`, `deliver`: requests that arrive late; `latency`: how slowly records
//!   are shown.
//!
//! Time is the driver's: nothing happens by itself but in [`Memory::advance_to`]. Nothing is random, and no call waits.
//!
//! It differs from Kafka where a driver needs to decide what Kafka leaves to chance: the cleaner and retention run when
//! told ([`Memory::compact`], [`Memory::retain`]), a client's records are at the broker as soon as they are sent, a
//! join takes no time, and a refused record does not take its batch with it.

mod assign;
mod clean;
mod coordinator;
mod deliver;
mod driver;
mod fault;
mod group;
mod group_member;
mod handle;
mod latency;
mod log;
mod member;
mod membership;
mod producer;
mod publisher;
mod reader;
mod size;
mod state;
mod stray;
mod topic;
mod transaction;

use super::{Broker, Isolation, MemberOptions, ProducerOptions, Result};

pub use clean::Tombstones;
pub use fault::{Call, Fault, Hook, Operation};
pub use handle::Memory;
pub use latency::{Latency, Serving};
pub use member::Member;
pub use producer::{Producer, Transaction};
pub use publisher::{Admin, Publisher};
pub use reader::Reader;
pub use stray::Arrived;

impl Broker for Memory {
    type Member = Member;
    type Reader = Reader;
    type Producer = Producer;
    type Publisher = Publisher;
    type Admin = Admin;

    fn member(&self, options: &MemberOptions) -> Result<Member> {
        Member::join(self, options)
    }

    fn reader(&self, isolation: Isolation) -> Result<Reader> {
        Ok(Reader::new(self, isolation))
    }

    fn producer(&self, options: &ProducerOptions) -> Result<Producer> {
        Producer::new(self, options)
    }

    fn publisher(&self) -> Result<Publisher> {
        Ok(Publisher::new(self))
    }

    fn admin(&self) -> Result<Admin> {
        Ok(Admin::new(self))
    }
}
