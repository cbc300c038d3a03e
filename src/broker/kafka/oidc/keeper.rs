//! One token for all clients of a cluster, and the thread that keeps it fresh.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::settings::{Grant, Oidc};
use super::token::{Failed, Token};
use crate::broker::kafka::mask::masked;
use crate::clock;
use crate::outgoing;

/// After a failure: twice as long each time, up to the second.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];

/// How often a trouble that goes on is told.
const TOLD: Duration = Duration::from_secs(30);

/// Who logs in with the tokens.
pub trait Clients: Send + Sync + 'static {
    /// All of them log in with this one from now on.
    fn give_token(&self, issued: &Issued);

    /// Whoever issues tokens refuses us, and there is none left.
    fn refuse_token(&self, reason: &str);
}

pub struct Keeper {
    oidc: Oidc,
    state: Mutex<State>,
    /// The secret has changed, or nobody needs tokens any more.
    changed: Condvar,
    begun: Once,
}

#[derive(Default)]
struct State {
    secret: String,
    secret_is_new: bool,
    issued: Option<Arc<Issued>>,
    /// Why the last request brought none.
    trouble: Option<String>,
    ended: bool,
}

/// A token, and until when it lets us in.
pub struct Issued {
    pub token: Token,
    /// In milliseconds since 1970.
    pub ends: i64,
    ends_at: Instant,
}

impl Keeper {
    pub fn new(oidc: Oidc) -> Self {
        let secret = match &oidc.grant {
            Grant::ClientCredentials { secret, .. } => secret.clone(),
            Grant::Assertion { .. } => String::new(),
        };
        let trouble = Some(format!("the token endpoint {} has not answered yet", oidc.url));
        let state = Mutex::new(State { secret, trouble, ..State::default() });
        Self { oidc, state, changed: Condvar::new(), begun: Once::new() }
    }

    pub fn extensions(&self) -> &[(String, String)] {
        &self.oidc.extensions
    }

    /// Begins to ask, at the first call, for as long as somebody has the clients.
    pub fn begin<C: Clients>(self: &Arc<Self>, clients: &Arc<C>) {
        self.begun.call_once(|| {
            let is_open = !outgoing::is_tls(&self.oidc.url) && !self.is_asked_here();
            if is_open {
                tracing::warn!(
                    url = self.oidc.url,
                    "the token endpoint is asked without TLS: whoever is in between reads the secret"
                );
            }
            let (keeper, clients) = (Arc::clone(self), Arc::downgrade(clients));
            let thread = thread::Builder::new().name("tokens".to_owned()).spawn(move || keeper.keep(&clients));
            if let Err(error) = thread {
                self.lock().trouble = Some(format!("no thread can be started: {error}"));
            }
        });
    }

    /// Whether the endpoint is on this machine.
    fn is_asked_here(&self) -> bool {
        let host = self.oidc.url.split('/').nth(2).unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        ["localhost", "127.0.0.1", "[::1]"].contains(&host)
    }

    /// What there is now.
    pub fn issued(&self) -> Option<Arc<Issued>> {
        self.lock().issued.clone()
    }

    /// Why there is no token that lets us in, while that is so.
    pub fn trouble(&self) -> Option<String> {
        let state = self.lock();
        let has_one = state.issued.as_ref().is_some_and(|issued| !issued.has_ended());
        state.trouble.clone().filter(|_| !has_one)
    }

    /// Another secret, which is tried at once.
    pub fn set_secret(&self, secret: &str) {
        let mut state = self.lock();
        (state.secret, state.secret_is_new) = (secret.to_owned(), true);
        self.changed.notify_all();
    }

    pub fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn keep<C: Clients>(&self, clients: &Weak<C>) {
        let (mut failures, mut told): (u32, Option<Instant>) = (0, None);
        loop {
            let secret = {
                let mut state = self.lock();
                state.secret_is_new = false;
                state.secret.clone()
            };
            let asked_at = Instant::now();
            let asked = self.ask(&secret);
            let Some(clients) = clients.upgrade() else { return };
            let wait = match asked {
                Ok(token) => {
                    let wait = token.lives.mul_f64(0.8).saturating_sub(asked_at.elapsed()).max(AGAIN[0]);
                    self.take(token, asked_at, &*clients, failures > 0);
                    (failures, told) = (0, None);
                    wait
                }
                Err(failed) => {
                    self.fail(&failed, &*clients, &mut told);
                    let wait = AGAIN[0].saturating_mul(2_u32.saturating_pow(failures)).min(AGAIN[1]);
                    failures += 1;
                    wait
                }
            };
            drop(clients);
            if self.wait(wait) {
                return;
            }
        }
    }

    #[cfg(feature = "oidc")]
    fn ask(&self, secret: &str) -> Result<Token, Failed> {
        super::ask::ask(&self.oidc, secret)
    }

    #[cfg(not(feature = "oidc"))]
    fn ask(&self, _: &str) -> Result<Token, Failed> {
        Err(Failed::Unanswered("this build has no OIDC".to_owned()))
    }

    fn take(&self, token: Token, asked_at: Instant, clients: &impl Clients, failed_before: bool) {
        let ends = clock::now().0 + i64::try_from(token.lives.as_millis()).unwrap_or(i64::MAX / 2);
        let ends_at = asked_at + token.lives;
        let seconds = token.lives.as_secs();
        let issued = Arc::new(Issued { token, ends, ends_at });
        {
            let mut state = self.lock();
            (state.issued, state.trouble) = (Some(Arc::clone(&issued)), None);
        }
        match failed_before {
            true => tracing::info!(url = self.oidc.url, seconds, "there is a token for the brokers again"),
            false => tracing::debug!(url = self.oidc.url, seconds, "a token for the brokers was issued"),
        }
        clients.give_token(&issued);
    }

    fn fail(&self, failed: &Failed, clients: &impl Clients, told: &mut Option<Instant>) {
        let (url, client) = (&self.oidc.url, self.oidc.client());
        let trouble = match failed {
            Failed::Refused(why) => format!("the token endpoint {url} refuses client `{client}`: {why}"),
            Failed::Unanswered(why) => format!("the token endpoint {url} gives none: {why}"),
        };
        // Whoever issues tokens may quote what it was sent.
        let trouble = masked(&trouble);
        let left = {
            let mut state = self.lock();
            state.trouble = Some(trouble.clone());
            let left = state.issued.as_ref().map(|issued| issued.ends_at.saturating_duration_since(Instant::now()));
            left.filter(|left| !left.is_zero())
        };
        if told.is_none_or(|told| told.elapsed() > TOLD) {
            let left =
                left.map_or("none is left".to_owned(), |left| format!("{} s are left of the last one", left.as_secs()));
            tracing::warn!("no token for the brokers: {trouble}; {left}");
            *told = Some(Instant::now());
        }
        if matches!(failed, Failed::Refused(_)) && left.is_none() {
            clients.refuse_token(&trouble);
        }
    }

    /// Whether it has ended meanwhile.
    fn wait(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut state = self.lock();
        while !state.ended && !state.secret_is_new {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        state.ended
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issued {
    fn has_ended(&self) -> bool {
        self.ends_at <= Instant::now()
    }
}
