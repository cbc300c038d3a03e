//! Lists of partitions as librdkafka's calls take and return them.

use std::ffi::c_int;
use std::ptr;

use rdkafka::bindings as sys;

use super::native::c_string;
use crate::broker::Result;

/// A list of partitions with offsets, as librdkafka's calls take and return it.
pub(super) struct Partitions(*mut sys::rd_kafka_topic_partition_list_t);

impl Partitions {
    pub fn new() -> Self {
        // SAFETY: allocates; never null.
        Self(unsafe { sys::rd_kafka_topic_partition_list_new(8) })
    }

    pub fn add(&mut self, topic: &str, partition: i32, offset: Option<i64>) -> Result<()> {
        self.add_with(topic, partition, offset, "")
    }

    pub fn add_with(&mut self, topic: &str, partition: i32, offset: Option<i64>, metadata: &str) -> Result<()> {
        let topic = c_string(topic)?;
        // SAFETY: the list lives; the metadata is allocated as librdkafka frees it, and copied within its size.
        unsafe {
            let at = &mut *sys::rd_kafka_topic_partition_list_add(self.0, topic.as_ptr(), partition);
            if let Some(offset) = offset {
                at.offset = offset;
            }
            if !metadata.is_empty() {
                at.metadata = sys::rd_kafka_mem_malloc(ptr::null_mut(), metadata.len());
                ptr::copy_nonoverlapping(metadata.as_ptr(), at.metadata.cast(), metadata.len());
                at.metadata_size = metadata.len();
            }
        }
        Ok(())
    }

    pub fn ptr(&self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.0
    }

    pub fn elements(&self) -> &[sys::rd_kafka_topic_partition_t] {
        // SAFETY: the list lives as long as the borrow.
        unsafe { elements(self.0) }
    }
}

impl Drop for Partitions {
    fn drop(&mut self) {
        // SAFETY: owned, and not used afterwards.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.0) }
    }
}

/// The elements of a list.
///
/// # Safety
/// The list is null or lives for `'a`, unchanged.
pub(super) unsafe fn elements<'a>(
    list: *const sys::rd_kafka_topic_partition_list_t,
) -> &'a [sys::rd_kafka_topic_partition_t] {
    if list.is_null() {
        return &[];
    }
    // SAFETY: by this function's contract.
    unsafe { slice((*list).elems, (*list).cnt) }
}

/// A C array as a slice.
///
/// # Safety
/// `count` elements live at `first` for `'a`, or there are none.
pub(super) unsafe fn slice<'a, T>(first: *const T, count: c_int) -> &'a [T] {
    match usize::try_from(count) {
        // SAFETY: by this function's contract.
        Ok(count) if count > 0 && !first.is_null() => unsafe { std::slice::from_raw_parts(first, count) },
        _ => &[],
    }
}
