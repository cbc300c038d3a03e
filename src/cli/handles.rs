//! File handles of the process: brokers come first, HTTP gets of what is left.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open whatever there is to do: standard streams, signals, the listener, the event queue, certificates.
const PROCESS: u64 = 32;

/// Clients of librdkafka that look on and store commands, for all workers together.
const LOOKING_ON: u64 = 6;

/// Clients of librdkafka that a worker has, with one of those that come and go.
const WORKER: u64 = 7;

/// What a client has open beside what it needs for each broker: for the address that it was given, and for a coordinator.
const CLIENT: u64 = 5;

/// A socket to a broker, and the pipe that wakes its thread.
const BROKER: u64 = 3;

/// Brokers to count with, if fewer are named: who names one of them often has three.
const BROKERS: u64 = 3;

/// HTTP's, even if the brokers may come short: without an answer to `/livez` a supervisor would end the gate.
const LEAST: u64 = 8;

/// How the file handles are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handles {
    pub limit: u64,
    /// What the process and its clients of the brokers may need.
    pub kept: u64,
    /// Connections that HTTP may hold.
    pub http: u64,
}

impl Handles {
    /// Raises the limit as far as it goes without rights, and shares what that gives. `brokers`: how many are named.
    pub fn share(workers: usize, brokers: usize, most: usize) -> Self {
        Self::of(raise(), workers as u64, brokers as u64, most as u64)
    }

    fn of(limit: u64, workers: u64, brokers: u64, most: u64) -> Self {
        let client = CLIENT + BROKER * brokers.max(BROKERS);
        let kept = PROCESS + (LOOKING_ON + WORKER * workers) * client;
        // One more than it holds: the newcomer, before another one gives way.
        let left = limit.saturating_sub(kept).saturating_sub(1);
        Self { limit, kept, http: left.clamp(LEAST, most.max(LEAST)) }
    }

    /// What to tell whoever runs it, if that may be too few.
    pub fn warning(&self) -> Option<String> {
        let wanted = self.kept + LEAST + 1;
        (self.limit < wanted).then(|| {
            let limit = self.limit;
            format!(
                "the process may open {limit} files, and its brokers may need {wanted}: \
                 raise the limit (`ulimit -n`, `LimitNOFILE=` of systemd)"
            )
        })
    }
}

/// The limit that is in force then.
fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    // `None` is no limit.
    raised.map_or(current, |()| maximum).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_come_first_and_http_has_what_is_left() {
        // A worker and three brokers: 32 + 13 clients of 14.
        let of = |limit, workers, brokers| Handles::of(limit, workers, brokers, 128);
        assert_eq!(of(256, 1, 1), Handles { limit: 256, kept: 214, http: 41 });
        assert_eq!(of(242, 1, 3).warning(), None);
        assert_eq!(of(1024, 1, 1).http, 128);
        assert_eq!(of(u64::MAX, 1024, 100).http, 128);
        for (limit, workers, brokers) in [(208, 1, 1), (242, 2, 1), (242, 1, 9), (0, 1, 1)] {
            let handles = of(limit, workers, brokers);
            assert_eq!(handles.http, LEAST, "{handles:?}");
            let warning = handles.warning().unwrap();
            assert!(warning.contains(&limit.to_string()) && warning.contains("ulimit -n"), "{warning}");
        }
        assert!(of(208, 1, 1).warning().unwrap().contains("may need 223"));
        assert_eq!(of(223, 1, 1).warning(), None);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let raised = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!((now.current, Some(raised)), (now.maximum, now.maximum.or(Some(u64::MAX))));
    }
}
