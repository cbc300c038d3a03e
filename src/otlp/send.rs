//! A collector, and what it answers.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use prost::Message as _;
use ureq::Agent;

use crate::outgoing::{self, Trust};

/// For one request.
const LIMIT: Duration = Duration::from_secs(3);

const LARGEST_ANSWER: u64 = 64 * 1024;

pub struct Collector {
    url: String,
    headers: Headers,
    agent: Agent,
}

/// Names and values; they may be replaced while spans are sent.
#[derive(Clone, Default)]
pub struct Headers(Arc<Mutex<Vec<(String, String)>>>);

/// Without them: they may be secrets.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Headers")
    }
}

impl Headers {
    pub fn replace(&self, headers: Vec<(String, String)>) {
        *lock(&self.0) = headers;
    }
}

/// Why a batch was not taken.
pub struct Failed {
    pub why: String,
    /// The same may be taken later.
    pub is_passing: bool,
}

impl Collector {
    /// `ca`: a file with CAs; `None`: the system's.
    ///
    /// # Errors
    /// Why the CAs cannot be used.
    pub fn new(url: &str, headers: Headers, ca: Option<PathBuf>) -> Result<Self, String> {
        let agent = outgoing::agent(url, &ca.map_or(Trust::System, Trust::Path), LIMIT)?;
        Ok(Self { url: url.to_owned(), headers, agent })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many of the spans it has refused, having taken the others.
    ///
    /// # Errors
    /// It has taken none of them.
    pub fn send(&self, message: &ExportTraceServiceRequest) -> Result<u64, Failed> {
        let mut request = self.agent.post(&self.url).header("Content-Type", "application/x-protobuf");
        for (name, value) in lock(&self.headers.0).iter() {
            request = request.header(name, value);
        }
        let answer = request.send(message.encode_to_vec());
        let mut answer = answer.map_err(|error| Failed { why: outgoing::reason(&error), is_passing: true })?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec().unwrap_or_default();
        if (200..300).contains(&status) {
            let partial = ExportTraceServiceResponse::decode(&*body).unwrap_or_default().partial_success;
            return Ok(partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0)));
        }
        // By the specification of OTLP, these alone.
        Err(Failed { why: format!("HTTP {status}"), is_passing: [429, 502, 503, 504].contains(&status) })
    }
}

/// A panic elsewhere leaves nothing half done here: go on.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
