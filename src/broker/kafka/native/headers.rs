//! The headers of records.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use rdkafka::bindings as sys;
use smallvec::SmallVec;

use super::error::RespErr;
use super::values::bytes;
use crate::broker::Header;

/// Longer differences than this are not believed to be a name (Kafka writes names of up to 32 KiB).
const MAX_NAME: usize = 32 * 1024;

/// Names and values. Most records have few, and then nothing is allocated.
pub(super) type Named<'a> = SmallVec<[(&'a [u8], Option<&'a [u8]>); 4]>;

/// Names and values of a message's headers.
///
/// # Safety
/// `message` lives for `'a`.
pub(super) unsafe fn of_message<'a>(message: *const sys::rd_kafka_message_t) -> Named<'a> {
    let mut headers: *mut sys::rd_kafka_headers_t = ptr::null_mut();
    // SAFETY: the message lives and owns the headers.
    unsafe {
        match sys::rd_kafka_message_headers(message, &raw mut headers) {
            RespErr::RD_KAFKA_RESP_ERR_NO_ERROR => of_list(headers),
            _ => Named::new(),
        }
    }
}

/// # Safety
/// `headers` lives for `'a`, unchanged.
unsafe fn of_list<'a>(headers: *const sys::rd_kafka_headers_t) -> Named<'a> {
    // SAFETY: by this function's contract.
    let count = unsafe { sys::rd_kafka_header_cnt(headers) };
    let mut all = Named::with_capacity(count);
    for index in 0..count {
        // SAFETY: by this function's contract; name and value live as long as the list.
        unsafe {
            let Some((name, value, size)) = get(headers, index) else { break };
            all.push((name_of(name, value), bytes(value, size)));
        }
    }
    all
}

/// Name, value and the value's size of a header.
///
/// # Safety
/// `headers` lives during the call.
unsafe fn get(headers: *const sys::rd_kafka_headers_t, index: usize) -> Option<(*const c_char, *const c_void, usize)> {
    let (mut name, mut value, mut size): (*const c_char, *const c_void, usize) = (ptr::null(), ptr::null(), 0);
    // SAFETY: by this function's contract.
    let err = unsafe { sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut size) };
    (err == RespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then_some((name, value, size))
}

/// The name of a header. librdkafka gives no length, and a name may hold a NUL: read as a C string it would lose its end,
/// and an event would go on with another header than it came with. So this leans on something that librdkafka does not
/// promise: name, NUL and value stand in one allocation, in this order (`rd_kafka_header_add`). librdkafka is built from the
/// source that the lock file names, and the tests below are red if that source does it otherwise. A name without a value
/// ends at its first NUL.
///
/// # Safety
/// Both come from one call of `rd_kafka_header_get_all` and live for `'a`.
unsafe fn name_of<'a>(name: *const c_char, value: *const c_void) -> &'a [u8] {
    // SAFETY: librdkafka ends every name with a NUL.
    let short = unsafe { CStr::from_ptr(name) }.to_bytes();
    match value.addr().checked_sub(name.addr() + 1) {
        // SAFETY: from the name to the value is one allocation; a null value gives no difference.
        Some(length) if !value.is_null() && length > short.len() && length <= MAX_NAME => unsafe {
            std::slice::from_raw_parts(name.cast(), length)
        },
        _ => short,
    }
}

/// A list of headers that is not yet a record's, freed on drop.
pub(super) struct Headers(*mut sys::rd_kafka_headers_t);

impl Headers {
    /// Copies names and values.
    pub fn new(headers: &[Header]) -> Self {
        // SAFETY: allocates; never null.
        let list = Self(unsafe { sys::rd_kafka_headers_new(headers.len()) });
        for header in headers {
            let (value, size) = header.value.as_ref().map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
            let length = |size: usize| isize::try_from(size).unwrap_or(isize::MAX);
            // SAFETY: the list lives; name and value are copied during the call; a null value is a null value.
            unsafe {
                sys::rd_kafka_header_add(
                    list.0,
                    header.name.as_ptr().cast(),
                    length(header.name.len()),
                    value.cast(),
                    length(size),
                );
            }
        }
        list
    }

    pub fn ptr(&self) -> *mut sys::rd_kafka_headers_t {
        self.0
    }

    /// Leaves the list to librdkafka, which has taken it over.
    pub fn taken(self) {
        std::mem::forget(self);
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: owned, and not used afterwards.
        unsafe { sys::rd_kafka_headers_destroy(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const NAMES: [&[u8]; 7] = [b"plain", b"", b"\0", b"nul\0inside", b"at the end\0", b"\0\0\0", b"\xff\xfe"];

    fn headers(values: &[Option<&'static [u8]>]) -> Vec<Header> {
        let of = |name| {
            values
                .iter()
                .map(move |value| Header { name: Bytes::from_static(name), value: value.map(Bytes::from_static) })
        };
        NAMES.into_iter().flat_map(of).collect()
    }

    /// Goal: a librdkafka that keeps headers in another way is noticed before names are read wrongly. Method: where a value
    /// begins, whatever name and value are.
    #[test]
    fn a_value_stands_behind_its_name_and_one_nul() {
        let mut all = headers(&[Some(b""), Some(b"v"), Some(b"\0value")]);
        all.push(Header { name: vec![b'n'; MAX_NAME].into(), value: Some(Bytes::from_static(b"v")) });
        let list = Headers::new(&all);
        for (index, header) in all.iter().enumerate() {
            // SAFETY: the list lives.
            let (name, value, size) = unsafe { get(list.ptr(), index) }.unwrap();
            assert_eq!(value.addr(), name.addr() + header.name.len() + 1, "{header:?}");
            assert_eq!(size, header.value.as_ref().unwrap().len(), "{header:?}");
        }
    }

    #[test]
    fn names_are_read_whole_where_they_have_a_value() {
        let all = headers(&[None, Some(b""), Some(b"v")]);
        let list = Headers::new(&all);
        // SAFETY: the list lives.
        let read = unsafe { of_list(list.ptr()) };
        assert_eq!(read.len(), all.len());
        for ((name, value), header) in read.into_iter().zip(&all) {
            let until_nul = header.name.split(|byte| *byte == 0).next().unwrap();
            assert_eq!(name, if header.value.is_some() { &header.name } else { until_nul }, "{header:?}");
            assert_eq!(value, header.value.as_deref(), "{header:?}");
        }
    }
}
