//! A client that speaks TLS, as a browser or a probe does.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

pub type Client = StreamOwned<ClientConnection, TcpStream>;

/// Trusts this authority alone. The handshake is made when the first byte is sent.
pub fn client(authority: &Path, socket: TcpStream, versions: &[&'static SupportedProtocolVersion]) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots).with_no_client_auth();
    let server = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), server).unwrap(), socket)
}

/// What is answered to these bytes, until the connection ends; nothing, if there is none or the certificate is no good.
pub fn answer(authority: &Path, address: &str, request: &str) -> String {
    let Ok(socket) = TcpStream::connect(address) else { return String::new() };
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut client = client(authority, socket, &[&TLS12, &TLS13]);
    let mut answer = String::new();
    let _ = client.write_all(request.as_bytes()).and_then(|()| client.read_to_string(&mut answer));
    answer
}
