//! Sessions of browsers: a token is exchanged for a cookie that no script can read, and that is worth nothing after some hours.
//!
//! The cookie says which token it was given for and until when, and is signed. With `http_secret` every instance takes it; without
//! one the key is of this process alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

use super::seal::Seal;
use crate::clock;
use crate::config::Token;
use crate::hex;
use crate::time::Timestamp;

/// How long a session lasts: a day's work.
pub(super) const LASTS: Duration = Duration::from_secs(12 * 60 * 60);

pub(super) const COOKIE: &str = "flowgate_session";
const PURPOSE: &str = "session";

/// Sessions that were ended before their time; beyond that those may be taken again that end soonest by themselves.
const ENDED: usize = 10_000;

pub(super) struct Sessions {
    seal: Seal,
    /// By their cookie, with when they end by themselves.
    ended: Mutex<HashMap<String, i64>>,
}

#[derive(Serialize, Deserialize)]
struct Session {
    /// The token's.
    name: String,
    /// The beginning of the token's hash: whoever replaces a token ends its sessions.
    hash: String,
    /// In milliseconds since 1970.
    until: i64,
}

fn beginning(token: &Token) -> String {
    hex::write(&token.hash.0[..8])
}

impl Sessions {
    pub fn new(seal: Seal) -> Self {
        Self { seal, ended: Mutex::default() }
    }

    pub fn begin(&self, token: &Token, now: Timestamp) -> String {
        let session = Session { name: token.name.clone(), hash: beginning(token), until: now.after(LASTS).0 };
        self.seal.seal(PURPOSE, &session)
    }

    /// The name of the token that a request's session was given for.
    pub fn open(&self, headers: &HeaderMap, tokens: &[Token]) -> Option<String> {
        let sealed = cookie(headers)?;
        let session: Session = self.seal.open(PURPOSE, sealed)?;
        let token = tokens.iter().find(|token| token.name == session.name)?;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).contains_key(sealed);
        (session.hash == beginning(token) && session.until > clock::now().0 && !ended).then_some(session.name)
    }

    pub fn end(&self, sealed: &str) {
        let Some(session) = self.seal.open::<Session>(PURPOSE, sealed) else { return };
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        note(&mut ended, sealed, session.until, clock::now());
    }
}

/// Notes that a session was ended. Where there is no room, the one gives way that ends soonest by itself.
fn note(ended: &mut HashMap<String, i64>, sealed: &str, until: i64, now: Timestamp) {
    ended.retain(|_, until| *until > now.0);
    ended.insert(sealed.to_owned(), until);
    if ended.len() > ENDED {
        let soonest = ended.iter().min_by_key(|(_, until)| **until).map(|(sealed, _)| sealed.clone());
        soonest.and_then(|sealed| ended.remove(&sealed));
    }
}

/// The value of our cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
