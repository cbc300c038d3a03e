//! Lists of partitions as librdkafka's calls take and return them.

use std::ptr;

use rdkafka::bindings as sys;

use super::error::RespErr;
use super::values::{NulByte, array, c_string, slice};

/// A list of partitions with offsets (`rd_kafka_topic_partition_list_t`), freed on drop. librdkafka changes it only in calls
/// that borrow it as `&mut`.
pub struct Partitions(*mut sys::rd_kafka_topic_partition_list_t);

impl Partitions {
    pub fn new() -> Self {
        // SAFETY: allocates; never null.
        Self(unsafe { sys::rd_kafka_topic_partition_list_new(8) })
    }

    pub fn add(&mut self, topic: &str, partition: i32, offset: Option<i64>) -> Result<(), NulByte> {
        self.add_with(topic, partition, offset, "")
    }

    pub fn add_with(
        &mut self,
        topic: &str,
        partition: i32,
        offset: Option<i64>,
        metadata: &str,
    ) -> Result<(), NulByte> {
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

    pub(super) fn ptr(&self) -> *const sys::rd_kafka_topic_partition_list_t {
        self.0
    }

    /// For calls that write into the list.
    pub(super) fn ptr_mut(&mut self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.0
    }

    pub fn iter(&self) -> impl Iterator<Item = Partition<'_>> {
        // SAFETY: the list lives, unchanged, as long as the borrow.
        unsafe { elements(self.0) }.iter().map(Partition)
    }
}

impl Drop for Partitions {
    fn drop(&mut self) {
        // SAFETY: owned, and not used afterwards.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.0) }
    }
}

/// An element of a list, which owns what this one points to.
#[derive(Clone, Copy)]
pub struct Partition<'l>(&'l sys::rd_kafka_topic_partition_t);

impl<'l> Partition<'l> {
    /// All of a list that librdkafka keeps; none for null.
    ///
    /// # Safety
    /// As [`elements`].
    pub(super) unsafe fn all(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<Self> {
        // SAFETY: by this function's contract.
        unsafe { elements::<'l>(list) }.iter().map(Self).collect()
    }

    pub fn partition(self) -> i32 {
        self.0.partition
    }

    pub fn offset(self) -> i64 {
        self.0.offset
    }

    pub fn error(self) -> RespErr {
        self.0.err
    }

    pub fn metadata(self) -> String {
        // SAFETY: librdkafka allocated this many bytes, which live as long as the list.
        let bytes = unsafe { array(self.0.metadata.cast::<u8>(), self.0.metadata_size) };
        String::from_utf8_lossy(bytes).into_owned()
    }
}

/// The elements of a list; none for null.
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
