//! What all clients of one cluster share: a refused login, and which calls are under way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::broker::{Action, Code, Error, Result};

/// A call this long over its own limit hangs: librdkafka ignores its limits now and then when a broker dies.
const GRACE: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(super) struct Shared {
    refused: Mutex<Option<String>>,
    calls: Mutex<BTreeMap<u64, Call>>,
    next_call: AtomicU64,
}

struct Call {
    name: &'static str,
    since: Instant,
    limit: Duration,
}

impl Shared {
    /// Remembers that the cluster refused a login: only the error callback ever says so, no call does.
    pub fn refuse(&self, reason: &str) {
        lock(&self.refused).get_or_insert_with(|| reason.to_owned());
    }

    /// Fails once a login was refused, by whichever client.
    pub fn check(&self) -> Result<()> {
        match &*lock(&self.refused) {
            None => Ok(()),
            Some(reason) => Err(Error::new(Action::Stop, Code::Authentication, reason.clone())),
        }
    }

    /// Notes a blocking call until the guard is dropped.
    pub fn enter(self: &Arc<Self>, name: &'static str, limit: Duration) -> Entered {
        let id = self.next_call.fetch_add(1, Ordering::Relaxed);
        lock(&self.calls).insert(id, Call { name, since: Instant::now(), limit });
        Entered { shared: Arc::clone(self), id }
    }

    /// The call that is longest over its limit by more than the grace, if any.
    pub fn overdue(&self, now: Instant) -> Option<String> {
        let calls = lock(&self.calls);
        let late = calls.values().filter_map(|call| {
            let ran = now.saturating_duration_since(call.since);
            let over = ran.checked_sub(call.limit).filter(|over| *over > GRACE)?;
            Some((over, format!("{} has run for {} s, its limit is {:?}", call.name, ran.as_secs(), call.limit)))
        });
        late.max_by_key(|(over, _)| *over).map(|(_, description)| description)
    }
}

/// A call under way.
pub(super) struct Entered {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        lock(&self.shared.calls).remove(&self.id);
    }
}

/// A panic elsewhere leaves nothing half done in these maps: go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_overdue_30_s_after_its_own_limit() {
        let shared = Arc::new(Shared::default());
        let call = shared.enter("commit", Duration::from_secs(10));
        let now = Instant::now();
        assert_eq!(shared.overdue(now + Duration::from_secs(39)), None);
        let description = shared.overdue(now + Duration::from_secs(41)).unwrap();
        assert!(description.starts_with("commit has run for 41 s"), "{description}");
        drop(call);
        assert_eq!(shared.overdue(now + Duration::from_secs(41)), None);
    }

    #[test]
    fn a_refused_login_stops_every_call_and_keeps_the_first_reason() {
        let shared = Shared::default();
        assert_eq!(shared.check(), Ok(()));
        shared.refuse("wrong password");
        shared.refuse("brokers down");
        let error = shared.check().unwrap_err();
        assert_eq!(
            (error.action, error.code, error.detail.as_str()),
            (Action::Stop, Code::Authentication, "wrong password")
        );
    }
}
