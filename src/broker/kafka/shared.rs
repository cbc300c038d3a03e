//! What all clients of one cluster share: how they log in, whether that was refused, and which calls are under way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::errors::invalid;
use super::mask::words;
use super::native::{Failure, NativeClient, c_string};
use super::oidc::{Clients, Issued, Keeper};
use crate::broker::{Action, Code, Error, Result};

/// A call this long over its own limit hangs: librdkafka ignores its limits now and then when a broker dies.
const GRACE: Duration = Duration::from_secs(30);

/// So long a login that may change can be refused in a row: who replaces a password tells the brokers first, and Kubernetes brings it
/// into the files of containers a minute or two later.
const PATIENCE: Duration = Duration::from_secs(180);

/// Refusals this far apart have nothing to do with each other. Clients knock twice a second.
const APART: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct Shared {
    refused: Mutex<Option<(Code, String)>>,
    /// `None`: the brokers want no tokens.
    tokens: Option<Arc<Keeper>>,
    logins: Mutex<Logins>,
    calls: Mutex<BTreeMap<u64, Call>>,
    next_call: AtomicU64,
}

#[derive(Default)]
struct Logins {
    /// Whoever was let in once may wait for another password.
    may_change: bool,
    is_let_in: bool,
    /// The first and the last refusal in a row.
    refusals: Option<(Instant, Instant)>,
    /// User and password, where those of the settings have been replaced.
    replaced: Option<(String, String)>,
    clients: Vec<Weak<NativeClient>>,
}

struct Call {
    name: &'static str,
    since: Instant,
    limit: Duration,
}

impl Clients for Shared {
    fn give_token(&self, issued: &Issued) {
        let mut logins = lock(&self.logins);
        logins.refusals = None;
        let clients: Vec<_> = logins.clients.iter().filter_map(Weak::upgrade).collect();
        drop(logins);
        for client in clients {
            if let Err(error) = self.set_token(&client, issued) {
                tracing::warn!(%error, "a client takes no token");
            }
        }
    }

    fn refuse_token(&self, reason: &str) {
        self.refuse_as(Code::NoToken, reason);
    }
}

impl Shared {
    pub fn new(login_may_change: bool, tokens: Option<Keeper>) -> Self {
        let logins = Logins { may_change: login_may_change, ..Logins::default() };
        Self {
            refused: Mutex::default(),
            tokens: tokens.map(Arc::new),
            logins: Mutex::new(logins),
            calls: Mutex::default(),
            next_call: AtomicU64::new(0),
        }
    }

    /// Who has the tokens, if the brokers want any. The first who asks begins to ask for them.
    pub fn tokens(self: &Arc<Self>) -> Option<&Arc<Keeper>> {
        self.tokens.as_ref().inspect(|tokens| tokens.begin(self))
    }

    /// Why there is no token that lets us in, while that is so.
    pub fn trouble(&self) -> Option<String> {
        self.tokens.as_ref()?.trouble()
    }

    fn set_token(&self, client: &NativeClient, issued: &Issued) -> Result<()> {
        let extensions = self.tokens.as_ref().map_or(&[][..], |tokens| tokens.extensions());
        let text = |text: &str| c_string(text).map_err(Error::from);
        let pairs = extensions.iter().flat_map(|(name, value)| [text(name), text(value)]);
        let pairs = pairs.collect::<Result<Vec<_>>>()?;
        let token = (&*text(&issued.token.value)?, &*text(&issued.token.principal)?);
        client.set_token(token, issued.ends, &pairs).map_err(|reason| invalid(words(&reason)))
    }

    /// Remembers that the cluster refused a login: only the error callback ever says so, no call does.
    pub fn refuse(&self, reason: &str) {
        // What they say of a token that has ended is no word on us: there will be another one.
        if self.trouble().is_none() {
            self.refuse_as(Code::Authentication, reason);
        }
    }

    fn refuse_as(&self, code: Code, reason: &str) {
        if lock(&self.logins).is_final(Instant::now()) {
            lock(&self.refused).get_or_insert_with(|| (code, reason.to_owned()));
        }
    }

    /// The cluster has answered: the login is right.
    pub fn let_in(&self) {
        lock(&self.logins).is_let_in = true;
    }

    /// User and password that replace those of the settings.
    pub fn login(&self) -> Option<(String, String)> {
        lock(&self.logins).replaced.clone()
    }

    /// Has a new client log in as all others do, also when that changes later.
    pub fn adopt(self: &Arc<Self>, client: &Arc<NativeClient>) -> Result<()> {
        let mut logins = lock(&self.logins);
        logins.clients.retain(|client| client.strong_count() > 0);
        logins.clients.push(Arc::downgrade(client));
        let replaced = logins.replaced.clone();
        drop(logins);
        // It is among the clients already: a token that comes now is given to it twice, and none is missed.
        if let Some(issued) = self.tokens().and_then(|tokens| tokens.issued())
            && let Err(error) = self.set_token(client, &issued)
        {
            // It has ended: the next one is asked for.
            tracing::debug!(%error, "a client takes no token");
        }
        match replaced {
            Some((username, password)) => set(client, &username, &password),
            None => Ok(()),
        }
    }

    /// Another secret for whoever issues tokens.
    pub fn set_client_secret(&self, secret: &str) {
        lock(&self.logins).refusals = None;
        self.tokens.iter().for_each(|tokens| tokens.set_secret(secret));
    }

    /// # Errors
    /// A NUL byte is in it.
    pub fn set_login(&self, username: &str, password: &str) -> Result<()> {
        let mut logins = lock(&self.logins);
        (logins.replaced, logins.refusals) = (Some((username.to_owned(), password.to_owned())), None);
        let clients: Vec<_> = logins.clients.iter().filter_map(Weak::upgrade).collect();
        drop(logins);
        clients.iter().try_for_each(|client| set(client, username, password))
    }

    /// Fails once a login was refused, by whichever client.
    pub fn check(&self) -> Result<()> {
        match &*lock(&self.refused) {
            None => Ok(()),
            Some((code, reason)) => Err(Error::new(Action::Stop, *code, reason.clone())),
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

impl Drop for Shared {
    fn drop(&mut self) {
        self.tokens.iter().for_each(|tokens| tokens.end());
    }
}

impl Logins {
    /// Whether a refusal that comes now means that the cluster will never let us in.
    fn is_final(&mut self, now: Instant) -> bool {
        if !self.may_change || !self.is_let_in {
            return true;
        }
        let in_a_row = self.refusals.filter(|(_, last)| now.saturating_duration_since(*last) < APART);
        let first = in_a_row.map_or(now, |(first, _)| first);
        self.refusals = Some((first, now));
        now.saturating_duration_since(first) >= PATIENCE
    }
}

fn set(client: &NativeClient, username: &str, password: &str) -> Result<()> {
    let text = |text: &str| c_string(text).map_err(|_| invalid("the user or the password has a NUL byte in it"));
    client.set_sasl_credentials(&text(username)?, &text(password)?).map_err(|failure: Failure| failure.plain())
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

    /// Goal: whoever waits for a new password does so for three minutes, but only who was let in with the one before.
    #[test]
    fn a_login_that_may_change_is_refused_for_three_minutes_before_it_is_final() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let logins = |may_change, is_let_in| Logins { may_change, is_let_in, ..Logins::default() };
        assert!(logins(false, true).is_final(began) && logins(true, false).is_final(began));
        let mut waits = logins(true, true);
        let finals: Vec<u64> = (0..=180).step_by(20).filter(|second| waits.is_final(at(*second))).collect();
        assert_eq!(finals, [180]);
        // Refusals that were followed by none for a minute are another story.
        let mut waits = logins(true, true);
        assert!(!waits.is_final(began) && !waits.is_final(at(100)) && !waits.is_final(at(159)));
        assert!(!waits.is_final(at(218)) && !waits.is_final(at(277)) && waits.is_final(at(280)));
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
