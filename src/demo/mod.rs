//! What `flowgate demo` feeds the gate with.

pub mod purchases;
