//! What stands behind the `?` of a path, and the ids in it: read by hand, so that what is wrong is told by name.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::Problem;
use crate::flow::FlowId;

/// The parameters of a request, each there once.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(mut all) = query.map_err(|error| wrong("query", error.body_text()))?;
        // What is no UTF-8 is read as this sign, and would name something else.
        let sent = parts.uri.query().unwrap_or_default().to_ascii_lowercase().contains("%ef%bf%bd");
        let is_replaced =
            |(name, value): &&(String, String)| !sent && (name.contains('\u{fffd}') || value.contains('\u{fffd}'));
        if let Some((name, _)) = all.iter().find(is_replaced) {
            return Err(wrong(name, format!("`{name}` is no UTF-8; percent-encode the bytes of UTF-8")));
        }
        all.sort();
        match all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(wrong(&pair[0].0, format!("`{}` stands there twice; send it once", pair[0].0))),
            None => Ok(Self(all)),
        }
    }
}

impl Parameters {
    /// Refuses a parameter that is none of these.
    ///
    /// # Errors
    /// 400, with their names.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) if known.is_empty() => Err(wrong(name, format!("there is no parameter `{name}` here"))),
            Some((name, _)) => Err(wrong(name, format!("there is no parameter `{name}`; use {}", known.join(", ")))),
        }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }

    /// All of them but these, as they would be sent: two requests with the same text ask for the same.
    pub fn but(&self, left_out: &[&str]) -> String {
        let others = self.0.iter().filter(|(name, _)| !left_out.contains(&name.as_str()));
        others.map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// Text that is read by a rule of its own.
    ///
    /// # Errors
    /// 400, with what the rule says.
    pub fn read<T, E: Display>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let read = self.get(name).map(read).transpose();
        read.map_err(|why| wrong(name, format!("`{name}`: {why}")))
    }

    /// One of some words; absent it is the first.
    ///
    /// # Errors
    /// 400, with the words.
    pub fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        let choices = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        found.map(Some).ok_or_else(|| wrong(name, format!("`{text}` is unknown; use {}", choices())))
    }

    /// Text that is one of some words.
    ///
    /// # Errors
    /// As [`Parameters::word`].
    pub fn one_of(&self, name: &str, words: &[&'static str]) -> Result<Option<String>, Problem> {
        let words: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
        Ok(self.word(name, &words)?.map(str::to_owned))
    }

    /// A whole number within a range.
    ///
    /// # Errors
    /// 400, with the range.
    pub fn number<T>(&self, name: &str, range: std::ops::RangeInclusive<T>) -> Result<Option<T>, Problem>
    where
        T: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        let (least, most) = (range.start(), range.end());
        number.map(Some).ok_or_else(|| wrong(name, format!("`{text}` is no number from {least} to {most}")))
    }
}

/// A parameter that is not what it has to be.
pub(super) fn wrong(parameter: &str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-parameter", detail).with("parameter", parameter.into())
}

/// The parameter that names a flow where the path does not.
pub(super) const FLOW: &str = "flow";

/// Stands in a path for an id that a parameter names. Clients, and what is between them and us, take `.` and `..` for directories, even
/// percent-encoded, and send `/api/v1/flows/%2e%2e/audit` as `/api/v1/audit`; both are flow ids. This is none.
pub(super) const ELSEWHERE: &str = "*";

/// The flow in the path: `{id}`, percent-encoded; or [`ELSEWHERE`], and the id in the parameter [`FLOW`], which every path with this
/// takes.
#[derive(Debug)]
pub(super) struct FlowInPath(pub FlowId);

impl<S: Send + Sync> FromRequestParts<S> for FlowInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(id) =
            id.map_err(|_| wrong("id", "the id in the path is no UTF-8; percent-encode the bytes of UTF-8"))?;
        let asked = Parameters::from_request_parts(parts, state).await?;
        match (id.as_str(), asked.get(FLOW)) {
            (ELSEWHERE, Some(flow)) => {
                FlowId::new(flow).map(Self).map_err(|why| wrong(FLOW, format!("the flow id in `flow` {why}")))
            }
            (ELSEWHERE, None) => {
                let detail = "`*` in the path stands for the flow that `flow` names: add `flow=` and the id; every flow at once is \
                              ordered by `POST /api/v1/commands`";
                Err(wrong(FLOW, detail))
            }
            (_, Some(_)) => {
                let detail =
                    "the path names a flow already: leave `flow` out, or write `*` in the place of the id in the path";
                Err(wrong(FLOW, detail))
            }
            (id, None) => {
                FlowId::new(id).map(Self).map_err(|why| wrong("id", format!("the flow id in the path {why}")))
            }
        }
    }
}
