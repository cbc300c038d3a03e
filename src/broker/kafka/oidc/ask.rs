//! The request for a token.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::settings::{Grant, JWT_BEARER, Oidc};
use super::token::{self, Failed, Token};
use crate::clock;
use crate::outgoing;

/// A provider that takes longer is down.
const LIMIT: Duration = Duration::from_secs(10);

/// No token is as large.
const LARGEST_ANSWER: u64 = 256 * 1024;

/// Asks once. The CAs and the assertion are read again each time: somebody may have replaced them.
///
/// # Errors
/// There is no token.
pub fn ask(oidc: &Oidc, secret: &str) -> Result<Token, Failed> {
    let unanswered = |what: String| Failed::Unanswered(what);
    let agent = outgoing::agent(&oidc.url, &oidc.authorities, LIMIT).map_err(unanswered)?;
    let mut form: Vec<(&str, String)> = Vec::new();
    let mut request = agent.post(&oidc.url).header("Accept", "application/json");
    match &oidc.grant {
        Grant::ClientCredentials { id, .. } => {
            // As librdkafka and Java's client send it: neither is written as in a URL first.
            let login = STANDARD.encode(format!("{id}:{secret}"));
            request = request.header("Authorization", format!("Basic {login}"));
            form.push(("grant_type", "client_credentials".to_owned()));
        }
        Grant::Assertion { file } => {
            let assertion = std::fs::read_to_string(file);
            let assertion = assertion.map_err(|error| unanswered(format!("`{file}` cannot be read: {error}")))?;
            form.push(("grant_type", JWT_BEARER.to_owned()));
            form.push(("assertion", assertion.trim().to_owned()));
        }
    }
    form.extend(oidc.scope.iter().map(|scope| ("scope", scope.clone())));
    let answer = request.send_form(form);
    let mut answer = answer.map_err(|error| unanswered(outgoing::reason(&error)))?;
    let body = answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_string();
    let body = body.map_err(|error| unanswered(outgoing::reason(&error)))?;
    token::read(answer.status().as_u16(), &body, oidc.client(), clock::now().0 / 1000)
}
