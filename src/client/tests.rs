//! What tools read, on the memory broker.

mod held;
mod scan;
