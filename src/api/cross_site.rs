//! Requests that a page of somebody else made a browser send. A browser adds cookies by itself, and to an open address everything
//! is let in: so what changes something has to come from a page of ours, or from no page at all.

use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::Problem;

/// Whether it has to be shown where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// A page cannot have added what let it in; or there are no pages that are let in alone.
    NotNeeded,
    /// A browser has added its cookie.
    Needed,
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// # Errors
/// 403 if it comes from elsewhere, or may.
pub(super) fn check(method: &Method, headers: &HeaderMap, proof: Proof) -> Result<(), Problem> {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text(&FETCH_SITE);
    // What the browser says of itself no page can change. `none`: somebody typed the address.
    let from_here = site.map(|site| ["same-origin", "none"].contains(&site));
    if method.is_safe() {
        return match from_here {
            Some(false) if proof == Proof::Needed => Err(cross_site("`Sec-Fetch-Site` says so")),
            _ => Ok(()),
        };
    }
    let same_origin = text(&header::ORIGIN).map(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some() && host == text(&header::HOST)
    });
    match (from_here, same_origin, proof) {
        (Some(false), ..) => Err(cross_site("`Sec-Fetch-Site` says so")),
        // Whatever is in between may have changed `Host`.
        (Some(true), ..) | (None, Some(true), _) | (None, None, Proof::NotNeeded) => Ok(()),
        (None, Some(false), _) => Err(cross_site("`Origin` is not what `Host` is")),
        (None, None, Proof::Needed) => Err(cross_site("neither `Origin` nor `Sec-Fetch-Site` says otherwise")),
    }
}

fn cross_site(why: &str) -> Problem {
    let detail =
        format!("a page from elsewhere may have sent this: {why}; scripts send a token as `Authorization: Bearer`");
    Problem::new(StatusCode::FORBIDDEN, "cross-site", detail)
}
