//! What lets callers in, replaced while it is served.

use std::sync::Arc;

use super::Shared;
use super::access::Access;
use super::seal::Seal;
use crate::config::{Secret, Token};

/// Replaces tokens and the secret of a server.
#[derive(Clone)]
pub struct Keys {
    access: Arc<Access>,
    seal: Arc<Seal>,
    prefix: Arc<str>,
}

impl Keys {
    pub(super) fn new(shared: &Shared, prefix: &str) -> Self {
        Self { access: Arc::clone(&shared.access), seal: Arc::clone(&shared.seal), prefix: prefix.into() }
    }

    /// Whoever came by a token that is not among these is let in no more, and what they follow ends.
    pub fn replace_tokens(&self, tokens: Vec<Token>) {
        self.access.replace(tokens);
    }

    /// Ends all sessions, and all cursors and tokens of previews that were given out.
    pub fn replace_secret(&self, secret: &Secret) {
        self.seal.replace(&Seal::of_prefix(&self.prefix, Some(secret)));
        self.access.sessions.reseal(&Seal::of_secret(secret));
    }
}
