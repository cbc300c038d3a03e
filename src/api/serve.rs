//! Accepts connections, a task each, and closes those that take too long.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};

use super::connections::Connections;
use super::pulse::{Beat, Doing, Pulse, Streamed};
use super::tls::{Certificates, Stream};
use super::wire::{Answer, Wire};
use super::{Limits, Problem};
use crate::metrics::{Metrics, Refused};

/// Where connections come from.
pub(super) trait Accept {
    fn accept(&mut self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Accept for TcpListener {
    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        TcpListener::accept(self).await
    }
}

/// How often it is told that nothing can be accepted.
const AGAIN: Duration = Duration::from_secs(30);

/// Serves without end: no error of a connection, and none of accepting, ends it. With `tls` nothing is served without it.
pub(super) async fn serve(
    mut listener: impl Accept,
    router: Router,
    metrics: Metrics,
    limits: Limits,
    tls: Option<Certificates>,
) -> Infallible {
    let connections = Connections::new(limits.connections, metrics.clone());
    let mut told: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let pulse = Arc::new(Pulse::new());
                let place = connections.enter(peer.ip(), Arc::clone(&pulse));
                let (router, metrics, tls) = (router.clone(), metrics.clone(), tls.clone());
                let connection = Connection { router, metrics, limits, pulse };
                tokio::spawn(async move {
                    if let Some(stream) = connection.open(stream, tls).await {
                        connection.serve(stream).await;
                    }
                    drop(place);
                });
                connections.settle().await;
                // Whoever came gets the chance to ask before the next one takes its place.
                tokio::task::yield_now().await;
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                metrics.http_refused(Refused::NoHandle);
                if told.is_none_or(|told| told.elapsed() > AGAIN) {
                    tracing::warn!(%error, "HTTP can accept no connection; it closes one that waits, and tries again");
                    told = Some(Instant::now());
                }
                connections.shrink();
                sleep(limits.pause).await;
            }
        }
    }
}

/// It ended before it was accepted: the next one is no worse for it.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

struct Connection {
    router: Router,
    metrics: Metrics,
    limits: Limits,
    pulse: Arc<Pulse>,
}

impl Connection {
    /// `None`: there is nothing to serve.
    async fn open(&self, socket: TcpStream, tls: Option<Certificates>) -> Option<Stream> {
        let Some(tls) = tls else { return Some(Stream::Plain(socket)) };
        self.pulse.greets();
        let mut beats = self.pulse.listen();
        let mut greeting = std::pin::pin!(tls.greet(socket));
        let refused = loop {
            let beat = *beats.borrow_and_update();
            tokio::select! {
                greeted = &mut greeting => match greeted {
                    Ok(stream) => {
                        self.pulse.greeted();
                        return Some(stream);
                    }
                    Err(refused) => break refused,
                },
                _ = beats.changed() => {}
                () = sleep_until(beat.end(&self.limits)) => break why(beat).map(|(refused, _)| refused),
            }
        };
        refused.into_iter().for_each(|refused| self.metrics.http_refused(refused));
        None
    }

    async fn serve(self, stream: Stream) {
        let Self { router, metrics, limits, pulse } = self;
        let wire = Wire::new(stream, Arc::clone(&pulse), metrics.clone());
        let (router, own) = (TowerToHyperService::new(router), Arc::clone(&pulse));
        let service = service_fn(move |request: Request<Incoming>| {
            own.asked();
            let (answer, pulse) = (router.call(request.map(Body::new)), Arc::clone(&own));
            async move {
                answer.await.map(|answer| {
                    if answer.extensions().get::<Streamed>().is_some() {
                        pulse.streams();
                    }
                    answer.map(|body| Answer::new(body, pulse))
                })
            }
        });
        // Its limit of time is not used: `pulse` has all of them.
        let mut http = http1::Builder::new();
        http.max_buf_size(limits.header_bytes).header_read_timeout(None);
        let mut connection = http.serve_connection(TokioIo::new(wire), service);
        let mut beats = pulse.listen();
        loop {
            let beat = *beats.borrow_and_update();
            tokio::select! {
                // Whatever there was to say was said, by either side.
                _ = &mut connection => return,
                _ = beats.changed() => {}
                () = sleep_until(beat.end(&limits)) => {
                    if let Some((refused, problem)) = why(beat) {
                        metrics.http_refused(refused);
                        if let Some(problem) = problem {
                            connection.into_parts().io.into_inner().say(&problem);
                        }
                    }
                    return;
                }
            }
        }
    }
}

/// What to count and to say when something has taken too long. Half an answer is followed by nothing.
fn why(beat: Beat) -> Option<(Refused, Option<Problem>)> {
    match beat.doing {
        Doing::Idle => None,
        Doing::Greeting => Some((Refused::Handshake, None)),
        Doing::Asking => {
            let detail = "the headers of the request were not complete in time; send them at once";
            let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "headers-late", detail);
            Some((Refused::LateHeaders, Some(problem)))
        }
        Doing::Answering { .. } | Doing::Streaming => Some((Refused::LateReader, None)),
        Doing::GivingWay => Some((Refused::Crowded, None)),
    }
}
