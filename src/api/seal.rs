//! Texts that are given to whoever asks and come back unchanged: cursors of lists, tokens of previews, sessions. They are
//! signed (HMAC-SHA256), so that what comes back was given out here.

use std::sync::{PoisonError, RwLock};

use hmac::{Hmac, Mac as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::config::Secret;
use crate::hex;

/// A key that signs. What is sealed for one purpose opens for no other.
pub(super) struct Seal {
    key: RwLock<[u8; 32]>,
}

/// A key that only this process has.
#[derive(Clone)]
pub struct OwnKey([u8; 32]);

impl OwnKey {
    /// # Errors
    /// The system gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self(key))
    }

    pub(super) fn seal(&self) -> Seal {
        Seal { key: RwLock::new(self.0) }
    }
}

/// Without the key.
impl std::fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnKey")
    }
}

/// Bytes of a signature: half of the hash, which nobody guesses.
const SIGNATURE: usize = 16;

impl Seal {
    /// Of a secret of all instances: nobody else can sign with it.
    pub fn of_secret(secret: &Secret) -> Self {
        Self::from(&["flowgate secret", &secret.0])
    }

    /// The same on every instance of a prefix, and after a restart, so that a list can be read on anywhere: the key comes
    /// from `http_secret`, else from the prefix. Everybody knows that one, so what it signs must be worth nothing to
    /// a forger: a cursor and the token of a preview allow nothing that their bearer may not do anyway.
    pub fn of_prefix(prefix: &str, secret: Option<&Secret>) -> Self {
        Self::from(&["flowgate prefix", prefix, secret.map_or("", |secret| &secret.0)])
    }

    fn from(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self { key: RwLock::new(hash.finalize().into()) }
    }

    /// Signs as another one does from now on. What was sealed before opens no more.
    pub fn replace(&self, by: &Self) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = by.key();
    }

    fn key(&self) -> [u8; 32] {
        *self.key.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn seal(&self, purpose: &str, content: &impl Serialize) -> String {
        // What is sealed are small structs of ours, which always become JSON.
        let content = serde_json::to_vec(content).unwrap_or_default();
        let signature = self.mac(purpose, &content).finalize().into_bytes();
        hex::write(&[&signature[..SIGNATURE], &content].concat())
    }

    /// `None`: it was not sealed with this key, or for another purpose. It opens as it was written alone, not with other digits for
    /// the same bytes: so nothing has a second name.
    pub fn open<T: DeserializeOwned>(&self, purpose: &str, text: &str) -> Option<T> {
        let bytes = hex::read(text).filter(|bytes| hex::write(bytes) == text)?;
        let (signature, content) = bytes.split_at_checked(SIGNATURE)?;
        self.mac(purpose, content).verify_truncated_left(signature).ok()?;
        serde_json::from_slice(content).ok()
    }

    fn mac(&self, purpose: &str, content: &[u8]) -> Hmac<Sha256> {
        // A block of the hash, as HMAC pads a shorter key itself.
        let mut block = [0; 64];
        let key = self.key();
        block[..key.len()].copy_from_slice(&key);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(&(purpose.len() as u64).to_be_bytes());
        mac.update(purpose.as_bytes());
        mac.update(content);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_with_the_same_key_for_the_same_purpose_and_unchanged() {
        let seal = Seal::of_prefix("flow", None);
        let text = seal.seal("preview", &("held", 7));
        let open = |seal: &Seal, purpose: &str, text: &str| seal.open::<(String, u64)>(purpose, text);
        assert_eq!(open(&Seal::of_prefix("flow", None), "preview", &text), Some(("held".to_owned(), 7)));
        for (key, purpose) in [
            (Seal::of_prefix("flow", Some(&Secret("secret".to_owned()))), "preview"),
            (Seal::of_prefix("other", None), "preview"),
            (Seal::of_prefix("flow", None), "session"),
        ] {
            assert_eq!(open(&key, purpose, &text), None);
        }
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(open(&seal, "preview", std::str::from_utf8(&changed).unwrap()), None, "{place}");
        }
        let upper = text.to_uppercase();
        assert_ne!(upper, text);
        for text in ["", "00", "xyz", "é", &upper] {
            assert_eq!(open(&seal, "preview", text), None, "{text}");
        }
    }
}
