//! By which names an instance is asked. A page of a stranger may make a browser inside the network ask the stranger's own
//! name, rebound to an address of ours, and read the answer: that name stands in `Host`, and is refused.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Problem;
use crate::instance::Board;
use crate::metrics::Refused;

/// The hosts that are answered, on any port: what is in between may have changed it.
#[derive(Clone, Debug)]
pub struct Hosts {
    address: SocketAddr,
    names: Vec<String>,
}

impl Hosts {
    /// `names`: those that the operator gave.
    #[must_use]
    pub fn new(address: SocketAddr, names: &[String]) -> Self {
        Self { address, names: names.to_vec() }
    }

    /// An address cannot be rebound: beyond this machine, where Prometheus asks pods by theirs, every one is fine.
    fn answer(&self, host: &str) -> bool {
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let fine = |address: IpAddr| !self.address.ip().is_loopback() || address.is_loopback();
        literal.parse().is_ok_and(fine)
            || host.eq_ignore_ascii_case("localhost")
            || self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let named = one(headers, &header::HOST)?.ok_or_else(|| {
            let detail = format!("`Host` is missing; send it once, such as `Host: {}`", self.address);
            wrong(&header::HOST, detail)
        })?;
        // A target that is a whole address counts instead of `Host`.
        for text in [Some(named), uri.authority().map(|authority| authority.as_str())].into_iter().flatten() {
            let host = host_of(text).ok_or_else(|| {
                wrong(
                    &header::HOST,
                    format!("`{}` is no host and port; send one, such as `{}`", plain(text), self.address),
                )
            })?;
            if !self.answer(host) {
                return Err(self.stranger(StatusCode::MISDIRECTED_REQUEST, "unknown-host", &header::HOST, host));
            }
        }
        // Which page a browser asks for; `null` is one that hides it.
        let Some(origin) = one(headers, &header::ORIGIN)? else { return Ok(()) };
        let host = origin.split_once("://").and_then(|(_, text)| host_of(text));
        match host.filter(|host| self.answer(host)) {
            Some(_) => Ok(()),
            None => Err(self.stranger(StatusCode::FORBIDDEN, "foreign-origin", &header::ORIGIN, origin)),
        }
    }

    fn stranger(&self, status: StatusCode, kind: &str, field: &HeaderName, host: &str) -> Problem {
        let (host, field, own) = (plain(host), title(field), self.address);
        let detail = format!(
            "`{host}` in `{field}` is no name of this server; ask for `{own}`, or add the name to `http_hosts`"
        );
        Problem::new(status, kind, detail).with("field", field.into())
    }
}

pub(super) async fn check(
    State((hosts, board)): State<(Arc<Hosts>, Arc<Board>)>,
    asked: Request,
    next: Next,
) -> Response {
    match hosts.check(asked.uri(), asked.headers()) {
        Ok(()) => next.run(asked).await,
        Err(problem) => {
            board.metrics.http_refused(Refused::Host);
            problem.into_response()
        }
    }
}

/// The value of a header that may stand there once.
fn one<'a>(headers: &'a HeaderMap, field: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(field).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(wrong(field, format!("`{}` stands there more than once; send it once", title(field))));
    }
    let text = value.map(|value| value.to_str()).transpose();
    text.map_err(|_| wrong(field, format!("`{}` has signs that are not ASCII; send a host and a port", title(field))))
}

fn wrong(field: &HeaderName, detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-host", detail).with("field", title(field).into())
}

/// As people write it.
fn title(field: &HeaderName) -> &'static str {
    if *field == header::HOST { "Host" } else { "Origin" }
}

/// What a stranger wrote, short and printable.
fn plain(text: &str) -> String {
    text.chars().take(100).map(|sign| if sign.is_control() { '\u{fffd}' } else { sign }).collect()
}

/// The host of `host:port`; an IPv6 address keeps its brackets.
fn host_of(text: &str) -> Option<&str> {
    let end = match text.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at(end);
    let port_is_one = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let host_is_one =
        host.starts_with('[') || host.chars().all(|sign| sign.is_ascii_alphanumeric() || "-._".contains(sign));
    (port_is_one && host_is_one && !host.is_empty()).then_some(host)
}
