//! `flowgate`: parse, run, exit.

use std::process::ExitCode;

/// A record goes through some twenty allocations, ours and librdkafka's: glibc spends a third of the worker's time on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    flowgate::instance::give_memory_back_by(give_back);
    flowgate::cli::main()
}

#[expect(unsafe_code, reason = "mimalloc is a library in C")]
fn give_back() {
    // SAFETY: may be called at any time, by any thread.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
