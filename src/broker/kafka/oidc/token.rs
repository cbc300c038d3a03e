//! What a token endpoint answers (RFC 6749), read.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// What a client is given.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub value: String,
    /// As whom it lets us in, as far as that is written in it.
    pub principal: String,
    /// From when it was asked for.
    pub lives: Duration,
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// We are known, and refused: asking again changes nothing before somebody changes something.
    Refused(String),
    /// A matter of time, or of the network.
    Unanswered(String),
}

/// By RFC 6749, section 5.2: these are about us.
const REFUSALS: [&str; 7] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "access_denied",
];

/// What the answer with this status and body gives. `now`: in seconds since 1970.
///
/// # Errors
/// There is no token in it.
pub fn read(status: u16, body: &str, client: &str, now: i64) -> Result<Token, Failed> {
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    if !(200..300).contains(&status) {
        let error = answer["error"].as_str().unwrap_or_default();
        let description = answer["error_description"].as_str().unwrap_or_default();
        let said: Vec<&str> = [error, description].into_iter().filter(|text| !text.is_empty()).collect();
        let said: String = said.join(": ").chars().take(300).collect();
        let text = if said.is_empty() { format!("HTTP {status}") } else { format!("{said} (HTTP {status})") };
        let is_refusal = (400..500).contains(&status) && REFUSALS.contains(&error);
        return Err(if is_refusal { Failed::Refused(text) } else { Failed::Unanswered(text) });
    }
    let none = |what: &str| Failed::Unanswered(format!("its answer {what} (HTTP {status})"));
    let value = answer["access_token"].as_str().ok_or_else(|| none("has no `access_token`"))?;
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(none("has a token with characters that none may have"));
    }
    let claims = claims(value);
    let seconds = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let lives = seconds(&answer["expires_in"]).or_else(|| Some(seconds(&claims["exp"])? - now));
    let lives = lives.ok_or_else(|| none("does not say when the token ends: there is no `expires_in`"))?;
    let lives = u64::try_from(lives).ok().filter(|lives| *lives > 0);
    let lives = lives.ok_or_else(|| none("has a token that has ended; are the clocks right?"))?;
    let principal = claims["sub"].as_str().filter(|sub| !sub.is_empty() && !sub.contains('\0')).unwrap_or(client);
    Ok(Token { value: value.to_owned(), principal: principal.to_owned(), lives: Duration::from_secs(lives) })
}

/// What a JWT says, unproved; null for any other token.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok());
    payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn jwt(claims: &str) -> String {
        format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    fn lives(body: &str) -> Result<(String, u64), Failed> {
        read(200, body, "gate", NOW).map(|token| (token.principal, token.lives.as_secs()))
    }

    #[test]
    fn when_a_token_ends_is_in_the_answer_or_in_the_token() {
        let own = jwt(&format!(r#"{{"sub":"svc","exp":{}}}"#, NOW + 60));
        assert_eq!(lives(&format!(r#"{{"access_token":"{own}","expires_in":300}}"#)), Ok(("svc".to_owned(), 300)));
        assert_eq!(lives(&format!(r#"{{"access_token":"{own}","expires_in":"300"}}"#)), Ok(("svc".to_owned(), 300)));
        assert_eq!(lives(&format!(r#"{{"access_token":"{own}"}}"#)), Ok(("svc".to_owned(), 60)));
        assert_eq!(lives(r#"{"access_token":"opaque","expires_in":9}"#), Ok(("gate".to_owned(), 9)));
        let ended = jwt(&format!(r#"{{"exp":{}}}"#, NOW - 1));
        for (body, what) in [
            (r#"{"access_token":"opaque"}"#.to_owned(), "does not say when"),
            (format!(r#"{{"access_token":"{ended}"}}"#), "has ended"),
            (r#"{"access_token":"two words","expires_in":9}"#.to_owned(), "characters"),
            (r#"{"token":"x"}"#.to_owned(), "no `access_token`"),
            ("<html>".to_owned(), "no `access_token`"),
        ] {
            let Err(Failed::Unanswered(text)) = lives(&body) else { panic!("{body}") };
            assert!(text.contains(what), "{text}");
        }
    }

    #[test]
    fn only_what_is_about_us_is_a_refusal() {
        let read = |status, body| read(status, body, "gate", NOW).err().unwrap();
        let wrong = r#"{"error":"invalid_client","error_description":"Bad secret"}"#;
        assert_eq!(read(401, wrong), Failed::Refused("invalid_client: Bad secret (HTTP 401)".to_owned()));
        assert_eq!(read(503, wrong), Failed::Unanswered("invalid_client: Bad secret (HTTP 503)".to_owned()));
        for status in [302, 401, 404, 429, 500] {
            assert_eq!(read(status, "<html>"), Failed::Unanswered(format!("HTTP {status}")));
        }
        let busy = r#"{"error":"temporarily_unavailable"}"#;
        assert_eq!(read(400, busy), Failed::Unanswered("temporarily_unavailable (HTTP 400)".to_owned()));
    }
}
