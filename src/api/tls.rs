//! TLS between the socket and HTTP.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::Problem;
use crate::metrics::Refused;

/// The certificate that is shown, with its key. It may be replaced: connections that are open keep the one before.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<RwLock<Arc<ServerConfig>>>);

impl Certificates {
    #[must_use]
    pub fn new(server: Arc<ServerConfig>) -> Self {
        Self(Arc::new(RwLock::new(server)))
    }

    pub fn replace(&self, server: Arc<ServerConfig>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = server;
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The handshake.
    ///
    /// # Errors
    /// Why it failed, if that is worth counting: who has only looked whether somebody listens is none.
    pub(super) async fn greet(&self, socket: TcpStream) -> Result<Stream, Option<Refused>> {
        let mut first = [0];
        match socket.peek(&mut first).await {
            Ok(1..) if first[0] == HANDSHAKE => {}
            Ok(1..) => {
                correct(&socket);
                return Err(Some(Refused::NoTls));
            }
            Ok(0) | Err(_) => return Err(None),
        }
        match TlsAcceptor::from(self.current()).accept(socket).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream))),
            Err(error) => {
                tracing::debug!(%error, "a TLS handshake failed");
                Err(Some(Refused::Handshake))
            }
        }
    }
}

/// How every record of a TLS handshake begins, and no request of HTTP.
const HANDSHAKE: u8 = 22;

/// Tells who does not speak TLS that it is spoken here. Nobody waits until it has arrived.
fn correct(socket: &TcpStream) {
    let detail = "TLS is spoken here; ask for `https://` instead of `http://`";
    let problem = Problem::new(StatusCode::BAD_REQUEST, "tls-needed", detail);
    // What was sent is read: closing the connection with that in the way could take the answer back.
    let mut sent = [0; 16 * 1024];
    let _ = socket.try_read(&mut sent);
    let _ = socket.try_write(&problem.on_the_wire());
}

/// The bytes of a connection as HTTP sees them.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// The last words of a connection. Nobody waits until they have arrived.
    pub fn say(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(socket) => drop(socket.try_write(bytes)),
            Self::Tls(stream) => {
                let (socket, session) = stream.get_mut();
                if session.writer().write_all(bytes).is_ok() {
                    session.send_close_notify();
                    let mut socket = WithoutWaiting(socket);
                    while session.wants_write() && session.write_tls(&mut socket).is_ok() {}
                }
            }
        }
    }
}

struct WithoutWaiting<'s>(&'s TcpStream);

impl io::Write for WithoutWaiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.try_write(bytes) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
