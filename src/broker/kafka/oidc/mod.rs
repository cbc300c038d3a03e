//! Tokens for the brokers (SASL/OAUTHBEARER) from an OpenID Connect provider, by librdkafka's own settings.
//!
//! librdkafka could ask for them itself, but each client would for itself: a gate has a dozen of them. And a client that lives never
//! takes another secret. So one thread of the cluster asks for a token, gives it to all clients, and asks again when 80 % of its time
//! have passed (`keeper.rs`). librdkafka is not told who issues it.

#[cfg(feature = "oidc")]
mod ask;
mod keeper;
mod settings;
#[cfg_attr(not(feature = "oidc"), allow(dead_code, reason = "nothing is asked for in such a build"))]
mod token;

pub(super) use keeper::{Clients, Issued, Keeper};
pub use settings::{CLIENT_SECRETS, Wrong, is_used, problems};
pub(super) use settings::{OF_OIDC, read};
