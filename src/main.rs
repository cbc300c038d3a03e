//! `flowgate`: parse, run, exit.

use std::process::ExitCode;

/// A record goes through some twenty allocations, ours and librdkafka's: glibc spends a third of the worker's time on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    flowgate::cli::main()
}
