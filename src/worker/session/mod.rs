//! What a worker knows in this session, and loses when it begins again: its partitions and how it stands to each, where its
//! readers are, what was read and waits, the turn under way. Types and what they can say of themselves; no calls.

pub mod ahead;
pub mod amount;
pub mod backlog;
pub mod carried;
pub mod chore;
pub mod decision;
pub mod fed;
pub mod gathering;
pub mod joining;
pub mod legible;
pub mod map;
pub mod outgoing;
pub mod owned;
pub mod pace;
pub mod rebuilding;
pub mod refusal;
pub mod search;
pub mod shape;
pub mod table;
pub mod trial;
pub mod turn;
pub mod wait;
pub mod watch;
