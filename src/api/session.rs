//! Sessions of browsers: a token is exchanged for a cookie that no script can read, and that is worth nothing after some minutes.
//!
//! The cookie says which token it was given for and until when, and is signed. With `http_secret` every instance takes it; without
//! one the key is of this process alone. Whoever goes on asking gets a new cookie of the same session, until that has lasted for a
//! day's work ([`Lasts::login`](super::limits::Lasts::login)).
//!
//! That somebody has logged out is known to the instance alone that was told, for instances share nothing but Kafka, and no topic of theirs
//! is for that. So a cookie that was copied before is taken elsewhere until it ends, and the session itself by whoever keeps asking there:
//! that is why the one lasts so short, and the other no longer than a day's work.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Problem;
use super::limits::Lasts;
use super::seal::Seal;
use crate::clock;
use crate::config::Token;
use crate::hex;
use crate::time::Timestamp;

const COOKIE: &str = "flowgate_session";
const PURPOSE: &str = "session";

/// Sessions that were ended before their time; beyond that those may be taken again that end soonest by themselves.
const ENDED: usize = 10_000;

pub(super) struct Sessions {
    seal: Seal,
    lasts: Lasts,
    /// By their ids, with when they end by themselves.
    ended: watch::Sender<HashMap<String, i64>>,
    /// How often the seal was replaced.
    secret: watch::Sender<u64>,
}

/// What a cookie says. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    /// The same in all cookies of a session.
    id: String,
    /// The token's.
    name: String,
    /// The beginning of the token's hash: whoever replaces a token ends its sessions.
    hash: String,
    /// When this cookie ends.
    until: i64,
    /// When the session does, whatever is asked.
    last: i64,
    /// The browser came by TLS: it is to send the cookie no other way.
    secure: bool,
}

/// Why something that a session has opened ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    LoggedOut,
    Expired,
    /// The token was taken away, or the secret of all sessions replaced.
    Revoked,
    /// The cookie is about to end, and the next request brings a new one.
    Renewable,
}

fn beginning(token: &Token) -> String {
    hex::write(&token.hash.0[..8])
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl Session {
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// How long its cookie lasts from now on.
    pub fn left(&self) -> Duration {
        self.left_at(clock::now())
    }

    pub fn left_at(&self, now: Timestamp) -> Duration {
        Timestamp(self.until).since(now)
    }
}

impl Sessions {
    pub fn new(seal: Seal, lasts: Lasts) -> Self {
        Self { seal, lasts, ended: watch::Sender::default(), secret: watch::Sender::default() }
    }

    /// Ends every session there is: new ones are sealed otherwise.
    pub fn reseal(&self, seal: &Seal) {
        self.seal.replace(seal);
        self.secret.send_modify(|times| *times += 1);
    }

    /// Which secret is in use: another one has another number.
    pub fn secret(&self) -> u64 {
        *self.secret.borrow()
    }

    /// `is_secure`: the browser came by TLS.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn begin(&self, token: &Token, is_secure: bool, now: Timestamp) -> Result<Session, Problem> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| Problem::internal())?;
        let last = now.after(self.lasts.login).0;
        let until = now.after(self.lasts.cookie).0.min(last);
        let (name, hash) = (token.name.clone(), beginning(token));
        Ok(Session { id: hex::write(&id), name, hash, until, last, secure: is_secure })
    }

    /// The cookie's value.
    pub fn sealed(&self, session: &Session) -> String {
        self.seal.seal(PURPOSE, session)
    }

    /// A request's session, and the token that it was given for.
    pub fn open<'t>(&self, headers: &HeaderMap, tokens: &'t [Token]) -> Option<(Session, &'t Token)> {
        let session: Session = self.seal.open(PURPOSE, cookie(headers)?)?;
        let token = tokens.iter().find(|token| token.name == session.name)?;
        (session.hash == beginning(token) && session.until > clock::now().0 && !self.has_ended(&session))
            .then_some((session, token))
    }

    /// Whether somebody has logged out of it here.
    pub fn has_ended(&self, session: &Session) -> bool {
        self.ended.borrow().contains_key(&session.id)
    }

    /// The same session with a new cookie, where less than half of the time of this one is left.
    pub fn renewed(&self, session: &Session, now: Timestamp) -> Option<Session> {
        let is_due =
            session.until.saturating_sub(now.0) < millis(self.lasts.cookie) / 2 && session.until < session.last;
        let until = now.after(self.lasts.cookie).0.min(session.last);
        is_due.then(|| Session { until, ..session.clone() })
    }

    /// Ends the session of a cookie: no cookie of it is taken here any more.
    pub fn end(&self, sealed: &str) {
        let Some(session) = self.seal.open::<Session>(PURPOSE, sealed) else { return };
        self.ended.send_modify(|ended| note(ended, &session.id, session.last, clock::now()));
    }

    /// Waits until what this session has opened has to end. Where there may be a new cookie that is a while before this one ends, so that
    /// whoever comes back at once is let in. `secret`: which one was in use when it was let in.
    pub async fn over(&self, session: &Session, secret: u64) -> Ending {
        let (at, ending) = match session.until < session.last {
            true => (session.until.saturating_sub(millis(self.lasts.cookie) / 4), Ending::Renewable),
            false => (session.until, Ending::Expired),
        };
        let (mut ended, mut secrets) = (self.ended.subscribe(), self.secret.subscribe());
        tokio::select! {
            biased;
            _ = ended.wait_for(|ended| ended.contains_key(&session.id)) => Ending::LoggedOut,
            _ = secrets.wait_for(|now| *now != secret) => Ending::Revoked,
            () = until(Timestamp(at)) => ending,
        }
    }
}

/// Waits for a time of the day. The clock may be set meanwhile, so it is looked at every second.
async fn until(time: Timestamp) {
    loop {
        let left = time.since(clock::now());
        if left.is_zero() {
            return;
        }
        sleep(left.min(Duration::from_secs(1))).await;
    }
}

/// Notes that a session was ended. Where there is no room, the one gives way that ends soonest by itself.
fn note(ended: &mut HashMap<String, i64>, id: &str, last: i64, now: Timestamp) {
    ended.retain(|_, last| *last > now.0);
    ended.insert(id.to_owned(), last);
    if ended.len() > ENDED {
        let soonest = ended.iter().min_by_key(|(_, last)| **last).map(|(id, _)| id.clone());
        soonest.and_then(|id| ended.remove(&id));
    }
}

/// The header that has a browser keep this as our cookie.
///
/// # Errors
/// The value is no text of a header.
pub(super) fn set_cookie(value: &str, lasts: Duration, is_secure: bool) -> Result<HeaderValue, Problem> {
    let secure = if is_secure { "; Secure" } else { "" };
    let seconds = lasts.as_secs();
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).map_err(|_| Problem::internal())
}

/// The value of our cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_room_is_left_the_session_gives_way_that_ends_soonest() {
        let mut ended = HashMap::new();
        let most = i64::try_from(ENDED).unwrap();
        for number in 1..=most {
            note(&mut ended, &number.to_string(), 1_000 + number, Timestamp(0));
        }
        note(&mut ended, "newest", 5_000_000, Timestamp(0));
        assert_eq!(ended.len(), ENDED);
        assert!(ended.contains_key("newest") && ended.contains_key("2") && !ended.contains_key("1"));
        note(&mut ended, "later", 5_000_000, Timestamp(1_000 + most));
        assert_eq!(ended.len(), 2, "those that have ended by themselves are forgotten");
    }
}
