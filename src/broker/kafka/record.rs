//! Records between librdkafka's messages and ours.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;

use bytes::Bytes;
use rdkafka::bindings as sys;
use sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR as OK;
use sys::rd_kafka_vtype_t::*;

use super::errors::Failure;
use super::native::{Client, TopicHandle};
use crate::broker::{Action, Code, Error, Header, Record, Result};
use crate::time::Timestamp;

/// Copies a message that was read: one allocation for all its bytes.
///
/// # Safety
/// `message` is a message without an error that lives during the call.
pub(super) unsafe fn read(message: *const sys::rd_kafka_message_t, topic: Arc<str>) -> Record {
    // SAFETY: the message lives during the call, and so do its parts.
    let (fields, key, value, headers) = unsafe {
        let fields = &*message;
        (fields, bytes(fields.key, fields.key_len), bytes(fields.payload, fields.len), read_headers(message))
    };
    let length = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
    let in_headers: usize = headers.iter().map(|(name, value)| name.len() + length(*value)).sum();
    let mut all = Vec::with_capacity(length(key) + length(value) + in_headers);
    for part in [key, value]
        .into_iter()
        .flatten()
        .chain(headers.iter().flat_map(|(name, value)| [*name].into_iter().chain(*value)))
    {
        all.extend_from_slice(part);
    }
    let all = Bytes::from(all);
    let mut taken = 0;
    let mut take = |part: &[u8]| {
        taken += part.len();
        all.slice(taken - part.len()..taken)
    };
    Record {
        topic,
        partition: fields.partition,
        offset: fields.offset,
        // SAFETY: as above.
        timestamp: unsafe { timestamp(message) },
        key: key.map(&mut take),
        value: value.map(&mut take),
        headers: headers.iter().map(|(name, value)| Header { name: take(name), value: value.map(&mut take) }).collect(),
    }
}

/// The time of a message: its own, or the broker's if the topic stamps it.
///
/// # Safety
/// `message` lives during the call.
pub(super) unsafe fn timestamp(message: *const sys::rd_kafka_message_t) -> Timestamp {
    let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: by this function's contract.
    Timestamp(unsafe { sys::rd_kafka_message_timestamp(message, &raw mut kind) })
}

/// # Safety
/// `length` bytes live at `first` for `'a`; null means no value, which is not the same as no bytes.
unsafe fn bytes<'a>(first: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: by this function's contract.
    (!first.is_null()).then(|| unsafe { std::slice::from_raw_parts(first.cast(), length) })
}

/// # Safety
/// `message` lives for `'a`.
unsafe fn read_headers<'a>(message: *const sys::rd_kafka_message_t) -> Vec<(&'a [u8], Option<&'a [u8]>)> {
    let mut headers: *mut sys::rd_kafka_headers_t = ptr::null_mut();
    // SAFETY: the message lives and owns the headers.
    if unsafe { sys::rd_kafka_message_headers(message, &raw mut headers) } != OK {
        return Vec::new();
    }
    // SAFETY: as above.
    let count = unsafe { sys::rd_kafka_header_cnt(headers) };
    let mut read = Vec::with_capacity(count);
    for index in 0..count {
        let (mut name, mut value, mut size): (*const c_char, *const c_void, usize) = (ptr::null(), ptr::null(), 0);
        // SAFETY: as above; name and value live as long as the message.
        unsafe {
            if sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut size) != OK {
                break;
            }
            read.push((header_name(name, value), bytes(value, size)));
        }
    }
    read
}

/// The name of a header. librdkafka gives no length, but keeps name, NUL and value in one allocation, in this order
/// (`rd_kafka_header_add`): so a name that itself holds a NUL is read whole if it has a value.
///
/// # Safety
/// Both come from one call of `rd_kafka_header_get_all` and live for `'a`.
unsafe fn header_name<'a>(name: *const c_char, value: *const c_void) -> &'a [u8] {
    // SAFETY: librdkafka ends every name with a NUL.
    let short = unsafe { CStr::from_ptr(name) }.to_bytes();
    match (value as usize).checked_sub(name as usize + 1) {
        // SAFETY: from the name to the value is one allocation; a null value gives no difference.
        Some(length) if !value.is_null() && length > short.len() && length <= MAX_HEADER_NAME => unsafe {
            std::slice::from_raw_parts(name.cast(), length)
        },
        _ => short,
    }
}

/// Longer differences than this are not believed to be a name (Kafka writes names of up to 32 KiB).
const MAX_HEADER_NAME: usize = 32 * 1024;

/// A record on its way to librdkafka.
pub(super) struct Sent<'a> {
    pub partition: i32,
    pub timestamp: Option<Timestamp>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header],
    /// Comes back with the delivery.
    pub tag: u64,
}

/// Hands one record to librdkafka, which copies it.
pub(super) fn send(client: &Client, topic: &TopicHandle, record: &Sent<'_>) -> Result<()> {
    const NOTHING: sys::rd_kafka_vu_t =
        sys::rd_kafka_vu_t { vtype: RD_KAFKA_VTYPE_END, u: sys::rd_kafka_vu_s__bindgen_ty_1 { i: 0 } };
    let mut fields = [NOTHING; 8];
    let mut count = 0;
    let mut add = |vtype, u| {
        fields[count] = sys::rd_kafka_vu_t { vtype, u };
        count += 1;
    };
    use sys::{rd_kafka_vu_s__bindgen_ty_1 as Field, rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 as Memory};
    let memory = |part: &[u8]| Field { mem: Memory { ptr: part.as_ptr().cast_mut().cast(), size: part.len() } };
    add(RD_KAFKA_VTYPE_RKT, Field { rkt: topic.ptr() });
    add(RD_KAFKA_VTYPE_PARTITION, Field { i32_: record.partition });
    add(RD_KAFKA_VTYPE_MSGFLAGS, Field { i: sys::RD_KAFKA_MSG_F_COPY as c_int });
    add(RD_KAFKA_VTYPE_OPAQUE, Field { ptr: ptr::without_provenance_mut(record.tag as usize) });
    // What is not given stays null: an empty slice has a pointer, null has none.
    if let Some(key) = record.key {
        add(RD_KAFKA_VTYPE_KEY, memory(key));
    }
    if let Some(value) = record.value {
        add(RD_KAFKA_VTYPE_VALUE, memory(value));
    }
    if let Some(timestamp) = record.timestamp {
        // librdkafka reads 0 as "now": the first millisecond of 1970 is carried as the second.
        add(RD_KAFKA_VTYPE_TIMESTAMP, Field { i64_: if timestamp.0 == 0 { 1 } else { timestamp.0 } });
    }
    let mut headers = ptr::null_mut();
    if !record.headers.is_empty() {
        headers = write_headers(record.headers);
        add(RD_KAFKA_VTYPE_HEADERS, Field { headers });
    }
    // SAFETY: all fields live during the call, in which librdkafka copies key and value (MSG_F_COPY); the headers
    // become its own on success only.
    let failure = unsafe { Failure::take(sys::rd_kafka_produceva(client.ptr(), fields.as_ptr(), count)) };
    let Some(failure) = failure else { return Ok(()) };
    if !headers.is_null() {
        // SAFETY: still ours, see above.
        unsafe { sys::rd_kafka_headers_destroy(headers) };
    }
    let mut error = failure.sort();
    match error.code {
        Code::QueueFull => error.action = Action::Retry,
        Code::Fenced => {}
        _ if failure.fatal || failure.code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__FATAL => {}
        _ => error.action = Action::Abort,
    }
    Err(Error { detail: format!("send: {}", error.detail), ..error })
}

fn write_headers(headers: &[Header]) -> *mut sys::rd_kafka_headers_t {
    // SAFETY: name and value are copied during each call; a null value is a null value.
    unsafe {
        let list = sys::rd_kafka_headers_new(headers.len());
        for header in headers {
            let (value, size) = header.value.as_ref().map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
            let length = |size: usize| isize::try_from(size).unwrap_or(isize::MAX);
            sys::rd_kafka_header_add(
                list,
                header.name.as_ptr().cast(),
                length(header.name.len()),
                value.cast(),
                length(size),
            );
        }
        list
    }
}
