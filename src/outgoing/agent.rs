//! Who makes the requests.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::trust::{Trust, is_tls};

/// For requests that each take `limit` at most. It reads the CAs, if the URL wants TLS.
///
/// # Errors
/// Why the CAs cannot be used.
pub fn agent(url: &str, trust: &Trust, limit: Duration) -> Result<Agent, String> {
    let roots = if is_tls(url) { roots(trust)? } else { RootCerts::new_with_certs(&[]) };
    let tls = TlsConfig::builder()
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(limit))
        .user_agent(concat!("flowgate/", env!("CARGO_PKG_VERSION")));
    Ok(config.build().new_agent())
}

/// Why there was no answer.
#[must_use]
pub fn reason(error: &ureq::Error) -> String {
    match error.source() {
        Some(source) if !error.to_string().contains(&source.to_string()) => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

fn roots(trust: &Trust) -> Result<RootCerts, String> {
    let certificates = match trust {
        Trust::Pem(text) => of_pem(text.as_bytes()).map_err(|error| format!("the CAs are no PEM: {error}"))?,
        Trust::Path(path) => of_path(path)?,
        Trust::System => der(rustls_native_certs::load_native_certs().certs),
    };
    if certificates.is_empty() {
        return Err(match trust {
            Trust::System => {
                "there are no CAs where this system should have them; `SSL_CERT_FILE` names a file".to_owned()
            }
            Trust::Path(path) => format!("there is no CA in `{}`", path.display()),
            Trust::Pem(_) => "there is no CA in the PEM text".to_owned(),
        });
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

fn of_path(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let (file, folder) = if path.is_dir() { (None, Some(path)) } else { (Some(path), None) };
    let mut found = rustls_native_certs::load_certs_from_paths(file, folder);
    match found.errors.pop() {
        Some(error) if found.certs.is_empty() => Err(format!("`{}` cannot be used: {error}", path.display())),
        _ => Ok(der(found.certs)),
    }
}

fn of_pem(text: &[u8]) -> Result<Vec<Certificate<'static>>, ureq::Error> {
    let items = parse_pem(text).collect::<Result<Vec<_>, _>>()?;
    let certificates = items.into_iter().filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    Ok(certificates.collect())
}

fn der(found: Vec<tokio_rustls::rustls::pki_types::CertificateDer<'static>>) -> Vec<Certificate<'static>> {
    found.iter().map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cas_that_are_not_there_are_told() {
        let none = tempfile::tempdir().unwrap();
        let told = |trust| agent("https://a.example", &trust, Duration::from_secs(1)).unwrap_err();
        assert!(told(Trust::Path(none.path().join("ca.crt"))).contains("ca.crt` cannot be used: "));
        assert!(told(Trust::Path(none.path().to_owned())).starts_with("there is no CA in `"));
        assert!(told(Trust::Pem("x".to_owned())).starts_with("there is no CA in the PEM"));
        // Without TLS they are not looked at.
        assert!(agent("http://a.example", &Trust::Path("/no/such/file".into()), Duration::from_secs(1)).is_ok());
    }
}
