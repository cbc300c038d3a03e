//! Eighteen months of real purchases as events: what the automation of a shop would send.
//!
//! `examples/purchases/README.md` says where the purchases come from, and what becomes of them.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{NaiveDate, NaiveTime};

use crate::flow::Kind;
use crate::time::Timestamp;

const CSV: &str = include_str!("../../examples/purchases/purchases.csv");

/// A new customer is welcomed.
pub const WELCOME: &str = "welcome";
/// A buyer is asked for a review.
pub const POST_PURCHASE: &str = "post-purchase";
/// A customer who stays away is won back.
pub const WIN_BACK: &str = "win-back";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// When a customer hears from `welcome` again.
const WELCOME_STEPS: [Duration; 2] = [DAY.saturating_mul(3), DAY.saturating_mul(10)];
const REVIEW_AFTER: Duration = DAY.saturating_mul(2);
/// So long without a purchase, and somebody is to be won back.
const AWAY_AFTER: Duration = DAY.saturating_mul(90);
const REMIND_AFTER: Duration = DAY.saturating_mul(14);

/// A line of the data: a customer's purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// 12:00 UTC of its day.
    pub at: Timestamp,
    pub customer: &'static str,
    pub cds: u32,
    /// As it stands in the data: a JSON number, kept to the digit.
    pub dollars: &'static str,
}

/// An event before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The time in the calendar of the data.
    pub at: Timestamp,
    pub flow_id: &'static str,
    /// The customer.
    pub record_id: &'static str,
    pub kind: Kind,
    /// The value of the record: JSON.
    pub value: String,
}

/// All purchases, in the order of the data: by day, then by customer.
#[must_use]
pub fn purchases() -> Vec<Purchase> {
    CSV.lines().skip(1).filter_map(Purchase::read).collect()
}

/// All events in time. Of one moment, what purchases cause comes before what is due, each in the order of the purchases
/// behind it, and then in the order `win-back`, `welcome`, `post-purchase`.
#[must_use]
pub fn events() -> Vec<Incoming> {
    let purchases = purchases();
    let Some(end) = purchases.iter().map(|purchase| purchase.at).max() else { return Vec::new() };
    let mut next: Vec<Option<Timestamp>> = vec![None; purchases.len()];
    let mut last: HashMap<&str, usize> = HashMap::new();
    let mut previous: Vec<Option<usize>> = Vec::with_capacity(purchases.len());
    for (index, purchase) in purchases.iter().enumerate() {
        let before = last.insert(purchase.customer, index);
        if let Some(before) = before {
            next[before] = Some(purchase.at);
        }
        previous.push(before);
    }
    let mut caused = Vec::new();
    let mut due = Vec::new();
    for (index, purchase) in purchases.iter().enumerate() {
        match previous[index].map(|before| purchases[before].at.after(AWAY_AFTER)) {
            // Whoever comes back on the very day has not stayed away.
            Some(enrolled) if enrolled < purchase.at => {
                caused.push(purchase.event(WIN_BACK, Kind::Withdraw, purchase.at))
            }
            Some(_) => {}
            None => {
                caused.push(purchase.event(WELCOME, Kind::Enroll, purchase.at));
                due.extend(WELCOME_STEPS.map(|step| purchase.event(WELCOME, Kind::Advance, purchase.at.after(step))));
            }
        }
        caused.push(purchase.event(POST_PURCHASE, Kind::Enroll, purchase.at));
        due.push(purchase.event(POST_PURCHASE, Kind::Advance, purchase.at.after(REVIEW_AFTER)));
        let away = purchase.at.after(AWAY_AFTER);
        let steps = [(Kind::Enroll, away), (Kind::Advance, away.after(REMIND_AFTER))];
        let still_away = |at: Timestamp| next[index].is_none_or(|next| at < next);
        due.extend(
            steps.into_iter().filter(|(_, at)| still_away(*at)).map(|(kind, at)| purchase.event(WIN_BACK, kind, at)),
        );
    }
    // The sort is stable: at one moment, all that purchases cause stays ahead of what is due.
    let mut events = caused;
    events.append(&mut due);
    events.retain(|event| event.at <= end);
    events.sort_by_key(|event| event.at);
    events
}

impl Purchase {
    fn read(line: &'static str) -> Option<Self> {
        let mut fields = line.split(',');
        let day: NaiveDate = fields.next()?.parse().ok()?;
        let noon = NaiveTime::from_hms_opt(12, 0, 0)?;
        let at = Timestamp(day.and_time(noon).and_utc().timestamp_millis());
        let (customer, cds, dollars) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?);
        Some(Self { at, customer, cds, dollars })
    }

    /// An event that this purchase causes, at once or later.
    fn event(&self, flow_id: &'static str, kind: Kind, at: Timestamp) -> Incoming {
        let Self { customer, cds, dollars, .. } = self;
        // Ids, numbers and times of this data need no escaping.
        let value = format!(
            r#"{{"version":1,"flow_id":"{flow_id}","record_id":"{customer}","kind":"{}","at":"{at}","cds":{cds},"dollars":{dollars}}}"#,
            kind.word()
        );
        Incoming { at, flow_id, record_id: customer, kind, value }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Everything that one customer gets, as `day flow kind`.
    fn of(customer: &str) -> Vec<String> {
        let all = events().into_iter().filter(|event| event.record_id == customer);
        all.map(|event| format!("{} {} {}", &event.at.to_string()[..10], event.flow_id, event.kind.word())).collect()
    }

    #[test]
    fn every_line_is_a_purchase() {
        let purchases = purchases();
        assert_eq!((purchases.len(), CSV.lines().count()), (6_919, 6_920));
        let first = purchases[0];
        assert_eq!((first.at.to_string().as_str(), first.customer), ("1997-01-01T12:00:00Z", "00004"));
        assert_eq!((first.cds, first.dollars), (2, "29.33"));
    }

    #[test]
    fn totals() {
        let mut totals: BTreeMap<(&str, &str), u32> = BTreeMap::new();
        for event in events() {
            *totals.entry((event.flow_id, event.kind.word())).or_default() += 1;
        }
        let expected = [
            (("post-purchase", "advance"), 6_916),
            (("post-purchase", "enroll"), 6_919),
            (("welcome", "advance"), 4_714),
            (("welcome", "enroll"), 2_357),
            (("win-back", "advance"), 2_960),
            (("win-back", "enroll"), 3_143),
            (("win-back", "withdraw"), 1_085),
        ];
        assert_eq!(totals, BTreeMap::from(expected));
    }

    #[test]
    fn a_customer_who_goes_and_comes_back() {
        // Bought on 1997-01-01, 01-18, 08-02 and 12-12: two gaps of more than 90 days, the advances of both come before
        // the return; and 90 days after the last purchase are over before the data ends, 104 as well.
        let expected = [
            "1997-01-01 welcome enroll",
            "1997-01-01 post-purchase enroll",
            "1997-01-03 post-purchase advance",
            "1997-01-04 welcome advance",
            "1997-01-11 welcome advance",
            "1997-01-18 post-purchase enroll",
            "1997-01-20 post-purchase advance",
            "1997-04-18 win-back enroll",
            "1997-05-02 win-back advance",
            "1997-08-02 win-back withdraw",
            "1997-08-02 post-purchase enroll",
            "1997-08-04 post-purchase advance",
            "1997-10-31 win-back enroll",
            "1997-11-14 win-back advance",
            "1997-12-12 win-back withdraw",
            "1997-12-12 post-purchase enroll",
            "1997-12-14 post-purchase advance",
            "1998-03-12 win-back enroll",
            "1998-03-26 win-back advance",
        ];
        assert_eq!(of("00004"), expected);
    }

    #[test]
    fn a_customer_who_comes_back_before_the_advance() {
        // 1997-02-07 and 1997-05-15 are 97 days apart: enrolled on the 90th day, withdrawn before the 104th.
        let win_back: Vec<String> = of("01668").into_iter().filter(|event| event.contains("win-back")).collect();
        let expected = [
            "1997-05-08 win-back enroll",
            "1997-05-15 win-back withdraw",
            "1997-10-29 win-back enroll",
            "1997-11-12 win-back advance",
            "1997-12-11 win-back withdraw",
            "1998-03-11 win-back enroll",
            "1998-03-25 win-back advance",
        ];
        assert_eq!(win_back, expected);
    }

    #[test]
    fn a_customer_who_comes_back_on_the_90th_day() {
        // 1997-04-20 and 1997-07-19 are 90 days apart: nobody to win back. 1998-05-05 is 56 days before the end.
        let win_back: Vec<String> = of("00226").into_iter().filter(|event| event.contains("win-back")).collect();
        let expected = ["1997-10-17 win-back enroll", "1997-10-31 win-back advance", "1998-02-15 win-back withdraw"];
        assert_eq!(win_back, expected);
    }

    #[test]
    fn a_customer_who_buys_again_within_two_days() {
        // 1997-01-12 and 01-13: the second purchase is there before the review of the first is asked for.
        let reviews: Vec<String> = of("03008").into_iter().filter(|event| event.contains("post-purchase")).collect();
        let expected = [
            "1997-01-12 post-purchase enroll",
            "1997-01-13 post-purchase enroll",
            "1997-01-14 post-purchase advance",
            "1997-01-15 post-purchase advance",
        ];
        assert_eq!(reviews, expected);
    }

    #[test]
    fn in_time_and_always_the_same() {
        let events = events();
        assert!(events.is_sorted_by_key(|event| event.at));
        assert_eq!(events.first().unwrap().at.to_string(), "1997-01-01T12:00:00Z");
        assert_eq!(events.last().unwrap().at.to_string(), "1998-06-30T12:00:00Z");
        assert_eq!(events, super::events());
        // What purchases cause comes before what is due on the same day.
        let due = |event: &Incoming| match (event.flow_id, event.kind) {
            (WIN_BACK, kind) => kind != Kind::Withdraw,
            (_, kind) => kind == Kind::Advance,
        };
        assert!(events.is_sorted_by_key(|event| (event.at, due(event))));
    }

    #[test]
    fn values_are_what_upstream_would_send() {
        let events = events();
        let expected = r#"{"version":1,"flow_id":"welcome","record_id":"00004","kind":"enroll","at":"1997-01-01T12:00:00Z","cds":2,"dollars":29.33}"#;
        assert_eq!(events[0].value, expected);
        for event in &events {
            let value: serde_json::Value = serde_json::from_str(&event.value).unwrap();
            assert_eq!((&value["flow_id"], &value["record_id"]), (&event.flow_id.into(), &event.record_id.into()));
        }
    }
}
