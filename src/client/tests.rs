//! What tools read, on the memory broker.

mod answered;
mod folded;
mod held;
mod scan;
