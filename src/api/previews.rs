//! `POST /api/v1/previews`: what a command would do, before it is sent.

use std::collections::{BTreeSet, HashMap};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::forms::PreviewForm;
use super::json::{self, wrong_field};
use super::preview::{Asked, MOST, Preview, Whose};
use super::query::Parameters;
use super::room::WALKS;
use super::{Problem, Shared};
use crate::flow::{Action, FlowId};
use crate::schema::body;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(show))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    action: String,
    flows: Option<Vec<String>>,
    select: Option<String>,
    all: Option<bool>,
    options: Option<HashMap<String, Box<RawValue>>>,
}

/// Shows what a command would do.
///
/// Nothing is changed by it. The `expect` of the answer goes into the command: it is rejected if the flow stands elsewhere by then.
#[utoipa::path(post, path = "/api/v1/previews", operation_id = "showPreview", tag = "commands", request_body = PreviewForm, responses(
    (status = 200, description = "What it would do.", body = Preview),
))]
async fn show(
    State(shared): State<Shared>,
    asked: Parameters,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Preview>, Problem> {
    asked.only(&[])?;
    let asked = read(json::read(&headers, &body)?)?;
    let preview = match asked.whose {
        Whose::Flows(_) => asked.preview(&shared),
        Whose::Selected(_) | Whose::All => WALKS.work(move || asked.preview(&shared)).await?,
    };
    preview.map(Json)
}

fn read(Form { action, flows, select, all, options }: Form) -> Result<Asked, Problem> {
    let whose = match (flows, select, all.unwrap_or(false)) {
        (Some(flows), None, false) => Whose::Flows(ids(&flows)?),
        (None, Some(select), false) => {
            Whose::Selected(select.parse().map_err(|why| wrong_field("select", format!("select: {why}")))?)
        }
        (None, None, true) => Whose::All,
        _ => return Err(wrong_field("flows", "send one of flows, select and all (true)")),
    };
    let mut fields: HashMap<String, Box<RawValue>> = options.unwrap_or_default();
    for taken in ["action", "reason", "expect"] {
        if fields.contains_key(taken) {
            return Err(wrong_field(
                &format!("options.{taken}"),
                format!("options.{taken} is no option; leave it out"),
            ));
        }
    }
    let word = serde_json::value::to_raw_value(&action).map_err(|_| Problem::internal())?;
    fields.insert("action".to_owned(), word);
    let order = serde_json::to_vec(&fields).map_err(|_| Problem::internal())?;
    let order = body::read(&order, false).map_err(|fault| match fault {
        body::Fault::Field { ref name, .. } if name == "action" => json::fault(fault, ""),
        fault => json::fault(fault, "options."),
    })?;
    if matches!(whose, Whose::All) && !matches!(order.action, Action::Pause(_) | Action::Resume(_)) {
        return Err(wrong_field(
            "action",
            format!("action `{action}` is for one flow at a time, not for all; name them"),
        ));
    }
    Ok(Asked { action: order.action, whose })
}

fn ids(texts: &[String]) -> Result<Vec<FlowId>, Problem> {
    if texts.is_empty() || texts.len() > MOST {
        return Err(wrong_field("flows", format!("flows names {}; name 1 to {MOST}", texts.len())));
    }
    let mut seen = BTreeSet::new();
    let read = texts.iter().enumerate().map(|(place, text)| {
        FlowId::new(text).map_err(|why| wrong_field(&format!("flows[{place}]"), format!("flows[{place}] {why}")))
    });
    let all = read.collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().filter(|id| seen.insert(id.clone())).collect())
}
