//! What flowgate takes for granted about a broker, one function a case, generic over a [`Harness`].
//!
//! This folder has no tests of its own: `conformance_suite!(start)` makes one `#[test]` a case, where `start` is a
//! function that gives a harness. Every run prints the same names, under `cases::`. Where two brokers differ, Kafka is
//! right.

#![allow(clippy::unwrap_used)]

pub mod harness;
pub mod steps;

pub mod transactions;

pub use harness::Harness;

/// Makes the tests of a harness: `#[macro_use] mod conformance; conformance_suite!(start);` with
/// `fn start() -> impl Harness`.
macro_rules! conformance_suite {
    ($start:path) => {
        mod cases {
            conformance_suite! { @cases $start;
                transactions: [
                    a_commit_is_visible_as_a_whole,
                ]
            }
        }
    };
    (@cases $start:path; $($module:ident: [$($case:ident),* $(,)?])*) => {
        $($(
            #[test]
            fn $case() {
                crate::conformance::$module::$case(&$start());
            }
        )*)*
    };
}
