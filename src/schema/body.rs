//! What somebody orders who is known otherwise: a command as HTTP takes it, without its id and its issuer.
//!
//! There a name that means nothing is refused, where the control topic lets it pass: whoever misspells an option is told
//! at once, before anything is sent.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::command::MAX_REASON;
use super::event::FLOW_ID;
use super::object::Scalar;
use super::order::{self, EXPECT, Options};
use crate::flow::{Action, Expect, FlowId, Target};

/// An order as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// For whom, if the order says so itself.
    pub target: Option<Target>,
    pub action: Action,
    pub reason: Option<String>,
    pub expect: Expected,
}

/// What its sender has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    Nothing,
    /// Where the flow stood.
    Flow(Expect),
    /// A preview, by its token: of what one flow does not tell.
    Preview(String),
}

/// What is wrong with an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no JSON object.
    NotJson(String),
    /// This field is; the detail begins with its name.
    Field { name: String, detail: String },
}

/// Fields of a command that say what is known otherwise.
const GIVEN: [(&str, &str); 4] = [
    ("command_id", "is sent in the header `Idempotency-Key`; leave it out"),
    ("issued_by", "is the name of the token; leave it out"),
    ("issued_at", "is the time of the request; leave it out"),
    (order::INVALID, "is written by the gate alone; leave it out"),
];

/// Reads an order. `names_flow`: whether it says for which flow it is; else its path does.
///
/// # Errors
/// [`Fault`]: the first thing that is wrong.
pub fn read(value: &[u8], names_flow: bool) -> Result<Ordered, Fault> {
    let options = Options::scan(Some(value)).map_err(|unreadable| Fault::NotJson(unreadable.detail))?;
    only_known(value, names_flow)?;
    let target = if names_flow { Some(target(&options)?) } else { None };
    let read = || {
        order::version(&options)?;
        let expect = expected(&options)?;
        let reason = options.text("reason", 0, MAX_REASON)?;
        Ok(Ordered { target, action: order::action(&options)?, reason, expect })
    };
    read().map_err(named)
}

/// Sentences about a field begin with its name.
fn named(detail: String) -> Fault {
    let name = detail.split(' ').next().unwrap_or_default().to_owned();
    Fault::Field { name, detail }
}

fn target(options: &Options<'_>) -> Result<Target, Fault> {
    let text = options.slot(FLOW_ID).text(FLOW_ID).map_err(|why| named(why.detail))?;
    match &*text {
        "*" => Ok(Target::Every),
        text => FlowId::new(text).map(Target::Flow).map_err(|why| named(format!("{FLOW_ID} {why}"))),
    }
}

fn expected(options: &Options<'_>) -> Result<Expected, String> {
    let slot = options.slot(EXPECT);
    if let Some(Scalar::Text(token)) = slot.value(EXPECT).map_err(|why| why.detail)? {
        return Ok(Expected::Preview(token.into_owned()));
    }
    let expect = order::expect(options)?;
    Ok(if expect.is_nothing() { Expected::Nothing } else { Expected::Flow(expect) })
}

fn only_known(value: &[u8], names_flow: bool) -> Result<(), Fault> {
    let fields: BTreeMap<String, &RawValue> =
        serde_json::from_slice(value).map_err(|error| Fault::NotJson(error.to_string()))?;
    for name in fields.keys() {
        let fault = |detail: String| Err(Fault::Field { name: name.clone(), detail: format!("{name} {detail}") });
        if let Some((_, why)) = GIVEN.iter().find(|(given, _)| given == name) {
            return fault((*why).to_owned());
        }
        if name == FLOW_ID && !names_flow {
            return fault("stands in the path; leave it out".to_owned());
        }
        if !order::is_field(name) {
            let name: String = name.chars().take(40).collect();
            let detail = format!("{name} is no field of a command; the document at /api/v1/openapi.json has them all");
            return Err(Fault::Field { name, detail });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::PurgeOrder;

    #[test]
    fn an_order_is_read_with_what_its_sender_has_seen() {
        let purge = |expect| Ordered {
            target: None,
            action: Action::Purge(PurgeOrder::default()),
            reason: Some("why".to_owned()),
            expect,
        };
        let seen = Expect { pause: Some(None), next_entry: Some(7) };
        for (expect, read_as) in [
            (r#"{"pause_id":null,"next_entry":7}"#, Expected::Flow(seen)),
            (r#""token""#, Expected::Preview("token".to_owned())),
            ("{}", Expected::Nothing),
        ] {
            let text = format!(r#"{{"action":"purge","reason":"why","expect":{expect}}}"#);
            assert_eq!(read(text.as_bytes(), false), Ok(purge(read_as)));
        }
        let every = read(br#"{"action":"pause","flow_id":"*"}"#, true).unwrap();
        assert_eq!((every.target, every.expect), (Some(Target::Every), Expected::Nothing));
    }

    #[test]
    fn what_is_wrong_is_told_with_the_field_and_the_fix() {
        for (text, names_flow, field, fix) in [
            (r#"{}"#, false, "action", "send pause,"),
            (r#"{"action":"resume","max_rat":5}"#, false, "max_rat", "is no field of a command"),
            (r#"{"action":"resume","max_rate":0}"#, false, "max_rate", "send"),
            (r#"{"action":"resume","count":1}"#, false, "count", "leave it out"),
            (r#"{"action":"resume","command_id":"x"}"#, false, "command_id", "`Idempotency-Key`"),
            (r#"{"action":"resume","issued_by":"x"}"#, false, "issued_by", "leave it out"),
            (r#"{"action":"resume","flow_id":"x"}"#, false, "flow_id", "in the path"),
            (r#"{"action":"resume"}"#, true, "flow_id", "send a string"),
            (r#"{"action":"resume","flow_id":""}"#, true, "flow_id", "give 1 to 100 bytes"),
            (r#"{"action":"resume","expect":{"next":1}}"#, false, "expect", "next_entry"),
            (r#"{"action":"resume","version":2}"#, false, "version", ""),
        ] {
            let Err(Fault::Field { name, detail }) = read(text.as_bytes(), names_flow) else { panic!("{text}") };
            assert!(name == field && detail.starts_with(field) && detail.contains(fix), "{text}: {name}: {detail}");
        }
        for text in ["", "[]", "{", "pause"] {
            assert!(matches!(read(text.as_bytes(), false), Err(Fault::NotJson(_))), "{text}");
        }
    }
}
