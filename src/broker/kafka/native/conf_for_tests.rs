//! For tests: what settings librdkafka has.

use std::ffi::CStr;
use std::ptr;

use rdkafka::bindings as sys;

use super::values::text;

/// What librdkafka itself says its settings are. Other names of the same one are not among them.
pub fn setting_names() -> Vec<String> {
    let mut all = Vec::new();
    // SAFETY: both configurations live until they are destroyed, as do the lists that are made of them: names and values in
    // turns.
    unsafe {
        let (global, topic) = (sys::rd_kafka_conf_new(), sys::rd_kafka_topic_conf_new());
        let (mut of_global, mut of_topic) = (0, 0);
        let dumps = [
            (sys::rd_kafka_conf_dump(global, &raw mut of_global), of_global),
            (sys::rd_kafka_topic_conf_dump(topic, &raw mut of_topic), of_topic),
        ];
        for (dump, count) in dumps {
            all.extend((0..count).step_by(2).map(|at| text(*dump.add(at))));
            sys::rd_kafka_conf_dump_free(dump, count);
        }
        sys::rd_kafka_topic_conf_destroy(topic);
        sys::rd_kafka_conf_destroy(global);
    }
    all
}

/// Whether librdkafka knows a setting, by whichever of its names.
pub fn has_setting(name: &CStr) -> bool {
    // SAFETY: the configuration and the name live during the call; no words about an error are asked for.
    unsafe {
        let global = sys::rd_kafka_conf_new();
        let taken = sys::rd_kafka_conf_set(global, name.as_ptr(), c"".as_ptr(), ptr::null_mut(), 0);
        sys::rd_kafka_conf_destroy(global);
        taken != sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_UNKNOWN
    }
}
