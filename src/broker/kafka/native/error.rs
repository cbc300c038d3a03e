//! Error codes, and the error objects that some calls return.

use rdkafka::bindings as sys;

pub use sys::rd_kafka_resp_err_t as RespErr;

use super::values::{Unmasked, text};

/// An `rd_kafka_error_t`, read and freed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: RespErr,
    pub retriable: bool,
    pub requires_abort: bool,
    pub fatal: bool,
    pub text: Unmasked,
}

impl Failure {
    /// For a call that is refused here.
    pub(super) fn new(code: RespErr) -> Self {
        Self { code, retriable: false, requires_abort: false, fatal: false, text: Unmasked::default() }
    }

    /// The result of a call that returns an error object, or null for success. Frees the object.
    ///
    /// # Safety
    /// `error` is null or an error object that nobody else frees.
    pub(super) unsafe fn check(error: *mut sys::rd_kafka_error_t) -> Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: not null, and ours by this function's contract until it is destroyed here.
        unsafe {
            let failure = Self {
                code: sys::rd_kafka_error_code(error),
                retriable: sys::rd_kafka_error_is_retriable(error) != 0,
                requires_abort: sys::rd_kafka_error_txn_requires_abort(error) != 0,
                fatal: sys::rd_kafka_error_is_fatal(error) != 0,
                text: Unmasked::new(sys::rd_kafka_error_string(error)),
            };
            sys::rd_kafka_error_destroy(error);
            Err(failure)
        }
    }
}

/// The result of a call that returns a code.
pub(super) fn check(err: RespErr) -> Result<(), RespErr> {
    match err {
        RespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        _ => Err(err),
    }
}

/// What librdkafka calls an error code. Quotes nothing.
pub fn err2str(err: RespErr) -> String {
    // SAFETY: returns a static string for every code.
    unsafe { text(sys::rd_kafka_err2str(err)) }
}
