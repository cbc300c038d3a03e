//! A consumer's identity in its group.

use std::ffi::CStr;
use std::ptr::NonNull;

use rdkafka::bindings as sys;

use super::client::NativeClient;

/// Group id, member id and generation at one moment: a copy, which its client does not share.
pub struct ConsumerGroupMetadata(NonNull<sys::rd_kafka_consumer_group_metadata_t>);

// SAFETY: never changed after it was made, and freed by its last owner.
unsafe impl Send for ConsumerGroupMetadata {}
// SAFETY: as above.
unsafe impl Sync for ConsumerGroupMetadata {}

impl NativeClient {
    /// `None` if the client has no group.
    pub fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        // SAFETY: the client lives; what it returns is ours.
        let metadata = unsafe { sys::rd_kafka_consumer_group_metadata(self.ptr()) };
        NonNull::new(metadata).map(ConsumerGroupMetadata)
    }
}

impl ConsumerGroupMetadata {
    /// The group as somebody outside of it names it: no member, no generation.
    pub fn outsider(group: &CStr) -> Option<Self> {
        // SAFETY: the name lives during the call; what it returns is ours.
        NonNull::new(unsafe { sys::rd_kafka_consumer_group_metadata_new(group.as_ptr()) }).map(Self)
    }

    pub(super) fn ptr(&self) -> *const sys::rd_kafka_consumer_group_metadata_t {
        self.0.as_ptr()
    }

    pub fn generation(&self) -> i32 {
        // SAFETY: owned.
        unsafe { sys::rd_kafka_consumer_group_metadata_generation_id(self.ptr()) }
    }

    pub fn member_id(&self) -> &CStr {
        // SAFETY: owned; the string lives as long.
        unsafe { CStr::from_ptr(sys::rd_kafka_consumer_group_metadata_member_id(self.ptr())) }
    }
}

impl Drop for ConsumerGroupMetadata {
    fn drop(&mut self) {
        // SAFETY: owned, and not used afterwards.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}
