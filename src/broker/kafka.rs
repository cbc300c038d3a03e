//! The adapter to Kafka (rdkafka).
