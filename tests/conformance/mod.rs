//! What flowgate takes for granted about a broker, one function a case, generic over a [`Harness`].
//!
//! This folder has no tests of its own: `conformance_suite!(start)` makes one `#[test]` a case, where `start` is a
//! function that gives a harness. Every run prints the same names, under `cases::`. Where two brokers differ, Kafka is
//! right.

#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

pub mod harness;
pub mod steps;

pub mod cleaning;
pub mod fencing;
pub mod groups;
pub mod offsets;
pub mod places;
pub mod records;
pub mod topics;
pub mod transactions;

pub use harness::Harness;

/// Makes the tests of a harness: `#[macro_use] mod conformance; conformance_suite!(start);` with
/// `fn start() -> impl Harness`.
macro_rules! conformance_suite {
    ($start:path) => {
        mod cases {
            conformance_suite! { @cases $start;
                transactions: [
                    a_commit_is_visible_as_a_whole,
                    an_aborted_record_is_hidden_from_read_committed_only,
                    an_open_transaction_holds_the_stable_offset,
                    markers_leave_gaps_in_offsets,
                    a_restore_reaches_the_read_uncommitted_end,
                    a_poll_keeps_to_its_limit,
                    a_reader_goes_back_and_stops,
                    a_reader_begins_and_stops_with_many_at_once,
                    a_reader_learns_that_a_topic_is_not_there,
                    an_empty_transaction_ends,
                ]
                fencing: [
                    a_new_producer_fences_the_old_one,
                    an_idle_producer_is_fenced,
                    a_producer_knows_whether_it_is_the_newest,
                    a_new_producer_takes_over_an_open_transaction,
                    a_transaction_left_open_times_out,
                    an_old_generation_is_fenced,
                    without_offsets_no_generation_fences,
                    a_foreign_topic_handle_is_refused,
                ]
                offsets: [
                    offsets_are_committed_with_their_metadata,
                    offsets_are_gone_with_an_abort,
                    a_negative_offset_is_refused,
                    pending_offsets_hold_back_committed,
                    a_groups_offsets_are_seen_from_outside,
                    a_groups_offset_is_set_from_outside,
                    a_group_with_members_keeps_its_offsets,
                    an_offset_of_nothing_is_refused,
                ]
                groups: [
                    a_join_moves_no_more_than_it_must,
                    a_third_member_takes_one_partition_of_each,
                    a_partition_moves_only_after_its_owner_acknowledged,
                    a_leave_gives_the_partitions_to_the_others,
                    a_lost_member_is_replaced_and_fenced,
                    a_dropped_member_is_replaced,
                    a_member_belongs_while_the_group_counts_on_it,
                    a_namesake_is_a_member_of_another_process,
                    a_member_reads_from_where_it_is_told,
                    a_position_outside_the_log_is_reported,
                ]
                places: [
                    a_static_member_that_died_comes_back_at_once,
                    a_static_member_that_left_comes_back_at_once,
                    a_static_member_that_left_for_good_is_missed_after_its_session,
                    a_newcomer_waits_for_a_place_no_longer_than_that_is_empty,
                    a_static_member_is_fenced_by_its_successor,
                    a_place_can_be_taken_back,
                    a_lost_static_member_comes_back,
                    what_was_to_be_given_up_comes_to_nobody_before_the_group_looks,
                ]
                cleaning: [
                    the_cleaner_keeps_the_newest_of_each_key,
                    an_aborted_record_replaces_nothing,
                    the_cleaner_stops_at_an_open_transaction,
                    a_tombstone_outlives_what_it_deleted,
                    a_tombstone_goes_after_its_time,
                    retention_goes_by_the_records_timestamp,
                    records_are_deleted_up_to_an_offset,
                    a_reader_learns_that_its_place_was_deleted,
                    records_of_a_compact_only_topic_cannot_be_deleted,
                ]
                records: [
                    null_and_empty_keys_and_values_are_kept,
                    headers_are_kept_as_they_were,
                    a_null_key_is_refused_in_a_compacted_topic,
                    timestamps_are_kept,
                    the_time_of_appending_comes_back_with_the_delivery,
                    a_timestamp_outside_the_topics_bounds_is_refused,
                    a_record_too_large_is_refused_unless_compressed,
                    a_transaction_larger_than_one_batch_is_stored,
                    deliveries_carry_tags_and_offsets,
                    a_record_for_an_unknown_topic_is_refused,
                    a_time_is_found_in_a_log,
                    the_publisher_partitions_as_the_java_client_does,
                    the_publisher_answers_in_order,
                ]
                topics: [
                    each_topic_of_a_request_has_its_own_answer,
                    topics_are_listed_by_prefix,
                    a_topics_settings_can_be_read,
                    the_brokers_settings_can_be_read,
                    a_topics_replicas_are_counted,
                    a_deleted_topic_is_gone,
                ]
            }
        }
    };
    (@cases $start:path; $($module:ident: [$($case:ident),* $(,)?])*) => {
        $($(
            #[test]
            fn $case() {
                crate::conformance::$module::$case(&$start());
            }
        )*)*
    };
}
