//! What tools read, on the memory broker.

mod scan;
