//! The events that are measured with: 200 bytes of JSON.

use std::io::Write as _;
use std::time::UNIX_EPOCH;

const SIZE: usize = 200;

/// The names of so many flows.
pub fn flows(number: u32) -> Vec<String> {
    (0..number).map(flow).collect()
}

/// The flow's name, which is also the key of its events.
pub fn flow(number: u32) -> String {
    format!("flow-{number:05}")
}

/// Writes the `number`th event. No two events are about the same record.
pub fn write(value: &mut Vec<u8>, flow: &str, number: u32) {
    value.clear();
    let sent = UNIX_EPOCH.elapsed().unwrap_or_default().as_micros();
    // Writing into a vector does not fail.
    let _ = write!(value, r#"{{"flow_id":"{flow}","record_id":"contact-{number:09}","kind":"enroll","sent":{sent},"#);
    value.extend_from_slice(br#""list":"newsletter","note":""#);
    let rest = SIZE - value.len() - 2;
    value.extend(std::iter::repeat_n(b'x', rest));
    value.extend_from_slice(br#""}"#);
}

/// When an event was written, in microseconds since 1970.
pub fn sent(value: &[u8]) -> Option<u64> {
    number_after(value, br#""sent":"#)
}

/// The number that it was written with.
pub fn number(value: &[u8]) -> Option<u32> {
    number_after(value, br#""record_id":"contact-"#)?.try_into().ok()
}

fn number_after(value: &[u8], field: &[u8]) -> Option<u64> {
    let at = value.windows(field.len()).position(|some| some == field)? + field.len();
    let digits = value[at..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}
