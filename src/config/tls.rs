//! The certificate of HTTP, and its key.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::files::{Fingerprint, NamedFile};
use crate::time::Timestamp;

/// What HTTP speaks TLS with, and where that comes from.
#[derive(Clone, Debug)]
pub struct Tls {
    pub files: TlsFiles,
    /// As they were at the start.
    pub pair: Pair,
    /// Of the certificate and of the key.
    pub fingerprints: [Fingerprint; 2],
}

/// Two PEM files, which may be one and the same.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    pub certificate: NamedFile,
    pub key: NamedFile,
}

/// A certificate and its key, ready to be used. TLS 1.2 and 1.3, HTTP/1.1, no certificates of clients.
#[derive(Clone, Debug)]
pub struct Pair {
    pub server: Arc<ServerConfig>,
    /// When the first certificate of the chain ends; `None`: that cannot be read.
    pub ends: Option<Timestamp>,
}

/// What is wrong with a file: the setting that names it, a sentence without what the file holds, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongFile {
    pub field: String,
    pub what: String,
    pub fix: &'static str,
}

const CERTIFICATE: &str = "give a PEM file with the certificate, and the chain to its authority behind it";
const KEY: &str = "give a PEM file with the private key, not encrypted (PKCS#8, PKCS#1 or SEC1)";

impl TlsFiles {
    /// What is in both files.
    ///
    /// # Errors
    /// The first one that cannot be read.
    pub fn read(&self) -> Result<[Vec<u8>; 2], WrongFile> {
        let read =
            |file: &NamedFile, fix| file.read().map_err(|what| WrongFile { field: file.field.clone(), what, fix });
        Ok([read(&self.certificate, CERTIFICATE)?, read(&self.key, KEY)?])
    }

    /// A pair of such contents.
    ///
    /// # Errors
    /// The file that is no PEM, or does not belong to the other one. Nothing of a key is told.
    pub fn pair(&self, [certificate, key]: [&[u8]; 2]) -> Result<Pair, WrongFile> {
        let wrong = |file: &NamedFile, what: &str, fix| {
            let what = format!("`{}` {what}", file.path.display());
            WrongFile { field: file.field.clone(), what, fix }
        };
        let chain: Result<Vec<CertificateDer<'_>>, _> = CertificateDer::pem_slice_iter(certificate).collect();
        let chain = chain.map_err(|_| wrong(&self.certificate, "is no PEM, or was cut off", CERTIFICATE))?;
        if chain.is_empty() {
            return Err(wrong(&self.certificate, "holds no certificate", CERTIFICATE));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| wrong(&self.key, "holds no private key that can be read", KEY))?;
        let ends = chain.iter().map(ends).min().flatten();
        let chain = chain.into_iter().map(CertificateDer::into_owned).collect();
        let server = server(chain, key).map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                let what = format!("does not belong to the certificate in `{}`", self.certificate.path.display());
                wrong(&self.key, &what, "give the key that the certificate was made for")
            }
            Error::General(_) => wrong(&self.key, "holds a private key of a kind that is not used here", KEY),
            error => wrong(&self.certificate, &format!("cannot be used: {error}"), CERTIFICATE),
        })?;
        Ok(Pair { server: Arc::new(server), ends })
    }
}

fn server(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut server =
        builder.with_safe_default_protocol_versions()?.with_no_client_auth().with_single_cert(chain, key)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}

fn ends(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let ends = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    i64::try_from(ends.as_millis()).ok().map(Timestamp)
}
