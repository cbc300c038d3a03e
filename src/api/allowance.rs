//! How much of the gate each caller may take.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Problem;

/// Commands a second, and as many at once after a second of none.
const COMMANDS: f64 = 50.0;

/// Answers at a time for which topics are read.
const SCANS: usize = 2;

/// By the caller's name; there are no more of these than tokens.
#[derive(Default)]
pub(super) struct Allowances(Mutex<HashMap<String, Allowance>>);

struct Allowance {
    /// Commands that may be given at `since`. Below zero is what was given in advance: a request with many commands is taken as
    /// a whole, and those behind it wait for longer.
    commands: f64,
    since: Instant,
    scans: Arc<Semaphore>,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { commands: COMMANDS, since: now, scans: Arc::new(Semaphore::new(SCANS)) }
    }
}

/// Something that reads topics for its answer.
#[expect(dead_code, reason = "counts until it is dropped")]
pub(super) struct Scan(OwnedSemaphorePermit);

impl Allowances {
    fn of<T>(&self, caller: &str, now: Instant, look: impl FnOnce(&mut Allowance) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(all.entry(caller.to_owned()).or_insert_with(|| Allowance::new(now)))
    }

    /// # Errors
    /// 429 while more were given than a second allows.
    pub fn take_commands(&self, caller: &str, count: usize, now: Instant) -> Result<(), Problem> {
        let wait = self.of(caller, now, |allowance| {
            let earned = now.saturating_duration_since(allowance.since).as_secs_f64() * COMMANDS;
            (allowance.commands, allowance.since) = ((allowance.commands + earned).min(COMMANDS), now);
            if allowance.commands < 1.0 {
                return Some((1.0 - allowance.commands) / COMMANDS);
            }
            // A list has no more commands than a body has room for.
            allowance.commands -= f64::from(u32::try_from(count).unwrap_or(u32::MAX));
            None
        });
        let Some(seconds) = wait else { return Ok(()) };
        let seconds = Duration::from_secs_f64(seconds).as_secs() + 1;
        let detail = format!("`{caller}` may give {COMMANDS} commands a second; try again in {seconds} s");
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail).retry_after(seconds))
    }

    /// # Errors
    /// 429 while as many are under way as may be.
    pub fn scan(&self, caller: &str) -> Result<Scan, Problem> {
        let scans = self.of(caller, Instant::now(), |allowance| Arc::clone(&allowance.scans));
        scans.try_acquire_owned().map(Scan).map_err(|_| {
            let detail =
                format!("`{caller}` may have {SCANS} answers under way for which topics are read; wait for one");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail).retry_after(1)
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn each_caller_has_an_allowance_of_its_own() {
        let (all, began) = (Allowances::default(), Instant::now());
        let take = |caller, count, millis| all.take_commands(caller, count, began + Duration::from_millis(millis));
        let wait = |refused: Result<(), Problem>| {
            let refused = refused.unwrap_err().into_response();
            assert_eq!(refused.status().as_u16(), 429);
            refused.headers()["retry-after"].to_str().unwrap().to_owned()
        };
        take("a", 50, 0).unwrap();
        assert_eq!(wait(take("a", 1, 0)), "1");
        take("b", 500, 0).unwrap();
        take("a", 5, 100).unwrap();
        take("a", 1, 100).unwrap_err();
        // 450 were given in advance.
        assert_eq!(wait(take("b", 1, 1000)), "9");
        take("b", 1, 9100).unwrap();
        // What was not given is not saved up.
        take("a", 50, 60_000).unwrap();
        take("a", 1, 60_000).unwrap_err();
    }

    #[test]
    fn two_scans_are_under_way_at_most() {
        let all = Allowances::default();
        let (first, _second) = (all.scan("a").unwrap(), all.scan("a").unwrap());
        assert!(all.scan("a").is_err());
        let _other = all.scan("b").unwrap();
        drop(first);
        assert!(all.scan("a").is_ok());
    }
}
