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

/// Sessions that were ended before their time; beyond that the oldest may be taken again.
const ENDED: usize = 10_000;

pub(super) struct Sessions {
    seal: Seal,
    /// By their signature, with when they end by themselves.
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
        let now = clock::now().0;
        ended.retain(|_, until| *until > now);
        if ended.len() < ENDED {
            ended.insert(sealed.to_owned(), session.until);
        }
    }
}

/// The value of our cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}
