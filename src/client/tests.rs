//! What tools read, on the memory broker.

mod folded;
mod held;
mod scan;
