//! What the operator does when nobody sits at the keys: something of everything, where the data has something to show.

use std::time::Duration;

use super::operator::Order;
use super::purchases::{POST_PURCHASE, WELCOME, WIN_BACK};
use crate::flow::{Action, NewRecords, PauseEnd, PauseOrder, Rate, Release, ResumeOrder};
use crate::time::Timestamp;

/// An order with its time.
#[derive(Clone, Debug)]
pub struct Step {
    pub at: Timestamp,
    pub order: Order,
}

/// All steps, in time.
#[must_use]
pub fn steps() -> Vec<Step> {
    let days = |days: u64| Some(PauseEnd::For(Duration::from_secs(days * 24 * 60 * 60)));
    let step = |at, flow, action, reason| Step { at, order: Order { flow, action, reason } };
    let pause = |order| Action::Pause(order);
    let resume = |order| Action::Resume(order);
    let plain = PauseOrder::default;
    vec![
        // A pause with a queue, and a resume.
        step(moment(1997, 1, 13, 9, 0), POST_PURCHASE, pause(plain()), Some("the review mail is broken")),
        step(moment(1997, 1, 20, 9, 0), POST_PURCHASE, resume(ResumeOrder::default()), None),
        // A pause that turns new records away; those who are in the flow stay where they are.
        step(
            moment(1997, 2, 3, 9, 0),
            WELCOME,
            pause(PauseOrder { new_records: Some(NewRecords::Discard), end: days(10), ..plain() }),
            Some("no stock of gifts"),
        ),
        step(moment(1997, 2, 10, 9, 0), WELCOME, resume(ResumeOrder::default()), None),
        // A pause that nobody resumes.
        step(moment(1997, 3, 2, 15, 0), POST_PURCHASE, pause(plain()), Some("moving the shop")),
        // Withdraws of held records; a drain at a rate, and a pause in the middle of it.
        step(moment(1997, 5, 5, 9, 0), WIN_BACK, pause(plain()), Some("rewriting the offer")),
        step(
            moment(1997, 5, 16, 11, 58),
            WIN_BACK,
            resume(ResumeOrder { max_rate: Rate::new(1), ..ResumeOrder::default() }),
            None,
        ),
        step(moment(1997, 5, 16, 12, 1), WIN_BACK, pause(plain()), Some("a typo in the offer")),
        step(moment(1997, 5, 17, 9, 0), WIN_BACK, resume(ResumeOrder::default()), None),
        // What was held is not wanted any more.
        step(moment(1997, 8, 18, 9, 0), POST_PURCHASE, pause(plain()), Some("reviews are being moved")),
        step(
            moment(1997, 8, 25, 9, 0),
            POST_PURCHASE,
            resume(ResumeOrder { release: Some(Release::None), ..ResumeOrder::default() }),
            None,
        ),
        // More than the longest pause, and then the longest pause.
        step(
            moment(1997, 12, 15, 9, 0),
            WIN_BACK,
            pause(PauseOrder { end: days(21), ..plain() }),
            Some("no offers over the holidays"),
        ),
        step(
            moment(1997, 12, 15, 9, 5),
            WIN_BACK,
            pause(PauseOrder { end: days(14), ..plain() }),
            Some("no offers over the holidays"),
        ),
        // Still in force when the data ends.
        step(moment(1998, 6, 22, 9, 0), WIN_BACK, pause(plain()), Some("summer break")),
    ]
}

/// A time in UTC.
const fn moment(year: i32, month: u32, day: u32, hour: u32, minute: u32) -> Timestamp {
    let Some(date) = chrono::NaiveDate::from_ymd_opt(year, month, day) else { panic!("no such day") };
    let Some(time) = date.and_hms_opt(hour, minute, 0) else { panic!("no such time") };
    Timestamp(time.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_in_time() {
        assert!(steps().is_sorted_by_key(|step| step.at));
        assert_eq!(moment(1997, 3, 2, 12, 0).to_string(), "1997-03-02T12:00:00Z");
    }
}
