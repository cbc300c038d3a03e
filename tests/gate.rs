//! The production worker on the memory broker: what is delivered, held, and turned away, whatever happens between.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

#[path = "gate/age.rs"]
mod age;
#[path = "gate/aside.rs"]
mod aside;
#[path = "gate/bounds.rs"]
mod bounds;
#[path = "gate/clocks.rs"]
mod clocks;
#[path = "gate/corpus.rs"]
mod corpus;
#[path = "gate/crashing.rs"]
mod crashing;
#[path = "gate/draining.rs"]
mod draining;
#[path = "gate/every.rs"]
mod every;
#[path = "gate/hot.rs"]
mod hot;
#[path = "gate/indexing.rs"]
mod indexing;
#[path = "gate/keeping.rs"]
mod keeping;
#[path = "gate/known.rs"]
mod known;
#[path = "gate/latency.rs"]
mod latency;
#[path = "gate/liveness.rs"]
mod liveness;
#[path = "gate/losses.rs"]
mod losses;
#[path = "gate/named.rs"]
mod named;
#[path = "gate/neighbours.rs"]
mod neighbours;
#[path = "gate/newer.rs"]
mod newer;
#[path = "gate/ordering.rs"]
mod ordering;
#[path = "gate/orphans.rs"]
mod orphans;
#[path = "gate/pausing.rs"]
mod pausing;
#[path = "gate/places.rs"]
mod places;
#[path = "gate/queues.rs"]
mod queues;
#[path = "gate/refused.rs"]
mod refused;
#[path = "gate/rig.rs"]
mod rig;
#[path = "support/say.rs"]
mod say;
#[path = "gate/sharing.rs"]
mod sharing;
#[path = "gate/storm.rs"]
mod storm;
#[path = "gate/traced.rs"]
mod traced;
#[path = "gate/watching.rs"]
mod watching;
#[path = "gate/zombies.rs"]
mod zombies;
