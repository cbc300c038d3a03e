//! Texts, arrays and time limits between C and Rust.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::time::Duration;

/// What librdkafka says, in its own words. They may quote the value of a setting, so `mask` has to go over them before they
/// are shown.
#[derive(Clone, Default)]
pub struct Unmasked(String);

impl Unmasked {
    /// # Safety
    /// As [`text`].
    pub(super) unsafe fn new(string: *const c_char) -> Self {
        // SAFETY: by this function's contract.
        Self(unsafe { text(string) })
    }

    /// The words, with whatever they quote.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// Without the words.
impl fmt::Debug for Unmasked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unmasked")
    }
}

/// A name or a value that has a NUL byte in it: C cannot take it.
#[derive(Debug)]
pub struct NulByte(pub String);

pub fn c_string(text: &str) -> Result<CString, NulByte> {
    CString::new(text).map_err(|_| NulByte(text.to_owned()))
}

/// A time limit as librdkafka takes it, in milliseconds, rounded up.
pub fn millis(limit: Duration) -> c_int {
    c_int::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
}

/// A C string as text; empty for null.
///
/// # Safety
/// `string` is null or a NUL-terminated string that lives during the call.
pub(super) unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: by this function's contract.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

/// A C array with a signed count as a slice.
///
/// # Safety
/// `count` elements live at `first`, unchanged, for `'a`, or there are none.
pub(super) unsafe fn slice<'a, T>(first: *const T, count: c_int) -> &'a [T] {
    // SAFETY: by this function's contract; a negative count is no elements.
    unsafe { array(first, usize::try_from(count).unwrap_or(0)) }
}

/// A C array as a slice.
///
/// # Safety
/// As [`slice()`].
pub(super) unsafe fn array<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: by this function's contract.
    unsafe { std::slice::from_raw_parts(first, count) }
}

/// Null means no value, which is not the same as no bytes.
///
/// # Safety
/// `first` is null, or `length` bytes live there for `'a`.
pub(super) unsafe fn bytes<'a>(first: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: by this function's contract.
    (!first.is_null()).then(|| unsafe { std::slice::from_raw_parts(first.cast(), length) })
}
