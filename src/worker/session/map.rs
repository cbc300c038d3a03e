//! The maps of a worker.

use std::collections::HashMap;
use std::hash::BuildHasher;

/// A map whose order of iteration depends on nothing but what was done with it: no random hasher.
pub type Map<K, V> = HashMap<K, V, Fixed>;

/// Fast, and the same in every process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

impl BuildHasher for Fixed {
    type Hasher = foldhash::fast::FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        foldhash::fast::FixedState::with_seed(0x666c_6f77).build_hasher()
    }
}
