//! The console: a page for operators, and the files that it is made of. `build.rs` has put them into the binary: those of the folder
//! `console/` that are for browsers.
//!
//! Everybody who reaches the port gets it, without a token: nothing in it is secret. It asks for one, and takes everything that it shows
//! from the paths of the API, as others do.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use super::Shared;

/// The page itself, at `/`. All others are at `/console/` and their path.
const PAGE: &str = "index.html";

/// A file of the page.
pub(super) struct File {
    /// From the folder on.
    pub path: &'static str,
    /// Its `Content-Type`.
    kind: &'static str,
    pub plain: Form,
    /// Where that is smaller.
    gzip: Option<Form>,
}

/// What is sent of a file.
pub(super) struct Form {
    /// Other bytes have another one.
    tag: &'static str,
    pub bytes: &'static [u8],
}

pub(super) const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// What a browser is told of each of them. Scripts, styles and whatever else come from here alone, and nothing in the page's own text is
/// taken for one, nor may a script make markup or another script of a text; no other page frames it or gets hold of its window, and none learns from where it was opened.
const GUARDS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // It is kept, and asked for again each time: after an update no page is made of files of two versions for longer than it is open.
    (header::CACHE_CONTROL, "no-cache"),
];

/// They stand in no OpenAPI document: a page is for people.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    FILES.iter().fold(OpenApiRouter::new(), |router, file| {
        let path = if file.path == PAGE { "/".to_owned() } else { format!("/console/{}", file.path) };
        router.route(&path, get(async move |asked: HeaderMap| file.answer(&asked)))
    })
}

impl File {
    fn answer(&self, asked: &HeaderMap) -> Response {
        let gzip = self.gzip.as_ref().filter(|_| takes_gzip(asked));
        let form = gzip.unwrap_or(&self.plain);
        let mut answer = match knows(asked, form.tag) {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => ([(header::CONTENT_TYPE, self.kind)], form.bytes).into_response(),
        };
        let headers = answer.headers_mut();
        headers.insert(header::ETAG, HeaderValue::from_static(form.tag));
        headers.insert(header::VARY, HeaderValue::from_name(header::ACCEPT_ENCODING));
        if gzip.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.extend(GUARDS.map(|(name, value)| (name, HeaderValue::from_static(value))));
        answer
    }
}

/// The values of a header that has a list of them.
fn listed(asked: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = asked.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// Whether the peer takes gzip: named, or as one of all, and not with a weight of nought.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let weight = |wanted: &str| {
        listed(asked, header::ACCEPT_ENCODING).find_map(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
            let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.trim().parse::<f32>().ok());
            name.trim().eq_ignore_ascii_case(wanted).then(|| weight.unwrap_or_default())
        })
    };
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

/// Whether the peer has the bytes of this tag. One that is called weak will do: whatever is in between may have said so.
fn knows(asked: &HeaderMap, tag: &str) -> bool {
    listed(asked, header::IF_NONE_MATCH).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
