//! Settings of topics, altered while gates run.

use std::collections::BTreeMap;
use std::time::Instant;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use crate::PATIENCE;

/// Of topics, by name.
pub type Settings = Vec<(String, BTreeMap<String, String>)>;

/// Gives each topic its settings, with those of `also` in place of its own; all others fall back to the brokers'. Topics that are gone
/// are passed over, as long as one is there.
pub fn alter(brokers: &str, settings: &Settings, also: &[(&str, &str)]) {
    let configs = settings.iter().map(|(topic, settings)| {
        let own = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let own = own.filter(|(name, _)| also.iter().all(|(other, _)| other != name));
        own.chain(also.iter().copied())
            .fold(AlterConfig::new(ResourceSpecifier::Topic(topic)), |config, (name, value)| config.set(name, value))
    });
    let configs: Vec<AlterConfig<'_>> = configs.collect();
    let client: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let began = Instant::now();
    loop {
        let altered = runtime.block_on(client.alter_configs(&configs, &AdminOptions::new()));
        if altered.as_ref().is_ok_and(|altered| altered.iter().any(Result::is_ok)) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{altered:?}");
    }
}
