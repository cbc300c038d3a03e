//! HTTP requests that the gate itself makes: whose certificates they trust, and how their failures are told.
//!
//! They block, so they belong on threads of their own. No redirect is followed: it could carry a secret to somebody else. Proxies are
//! those of the environment (`HTTPS_PROXY`, `NO_PROXY`).

#[cfg(any(feature = "oidc", feature = "otlp"))]
mod agent;
mod trust;

#[cfg(any(feature = "oidc", feature = "otlp"))]
pub use agent::{agent, reason};
pub use trust::{Trust, is_tls};
