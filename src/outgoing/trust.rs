//! Whom requests trust.

use std::path::PathBuf;

/// Whose certificates a server may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The system's CAs: `SSL_CERT_FILE` and `SSL_CERT_DIR`, or where distributions have them.
    System,
    /// A file with CAs in PEM, or a folder of such files.
    Path(PathBuf),
    /// CAs in PEM.
    Pem(String),
}

/// Whether requests to a URL go by TLS.
#[must_use]
pub fn is_tls(url: &str) -> bool {
    url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
}
