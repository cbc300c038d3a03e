//! The topics and the user that Strimzi makes from our manifests.

use std::collections::{BTreeMap, BTreeSet};

use saphyr::{LoadableYamlNode as _, Yaml};

use super::Place;
use super::acls::{printed, settings};
use crate::broker::{Admin as _, Broker as _};
use crate::schema::topics::Topics;
use crate::topics::{Layout, specification};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kubernetes/overlays/strimzi/topics.yaml");

/// What is the same in a manifest and on a broker.
#[derive(Debug, PartialEq, Eq)]
struct Topic {
    partitions: i64,
    replicas: i64,
    config: BTreeMap<String, String>,
}

fn manifests() -> BTreeMap<String, Topic> {
    let text = std::fs::read_to_string(MANIFEST).unwrap();
    let text_of = |yaml: &Yaml| yaml.as_str().unwrap().to_owned();
    let topic = |document: &Yaml| {
        let spec = document.as_mapping_get("spec").unwrap();
        let number = |name| spec.as_mapping_get(name).unwrap().as_integer().unwrap();
        let config = spec.as_mapping_get("config").unwrap().as_mapping().unwrap();
        let config = config.iter().map(|(name, value)| (text_of(name), text_of(value))).collect();
        let name = text_of(document.as_mapping_get("metadata").unwrap().as_mapping_get("name").unwrap());
        (name, Topic { partitions: number("partitions"), replicas: number("replicas"), config })
    };
    Yaml::load_from_str(&text).unwrap().iter().filter(|document| document.is_mapping()).map(topic).collect()
}

/// Goal: it does not matter who made the topics. Method: `topics create` makes them on the memory broker, which tells what it
/// has of every setting that a manifest names; and a manifest names each setting that the program does, also those that
/// are the broker's default.
#[test]
fn strimzi_makes_the_topics_that_the_program_makes() {
    let mut place = Place::new();
    // Those of the usual prefix are there, with fewer partitions.
    let made = Topics::new("made").unwrap();
    place.settings.topics = made.clone();
    place.good(&["topics", "create", "--partitions", "6", "--replication-factor", "3"]);
    let mut admin = place.memory.admin().unwrap();
    let there = manifests();
    let mut names = BTreeSet::new();
    for topic in specification(&made, &Layout { partitions: 6, replication_factor: Some(3) }) {
        let name = topic.name.replacen("made", "flow", 1);
        let given = there.get(&name).unwrap_or_else(|| panic!("no manifest for {name}"));
        let named: BTreeSet<&str> =
            topic.config.keys().map(String::as_str).chain(std::iter::once("min.insync.replicas")).collect();
        let all = admin.topic_config(&topic.name).unwrap();
        let config = named.iter().map(|setting| ((*setting).to_owned(), all[*setting].clone())).collect();
        let partitions = admin.partitions(&topic.name).unwrap().unwrap().into();
        let replicas = admin.replicas(&topic.name).unwrap().unwrap().into();
        assert_eq!(*given, Topic { partitions, replicas, config }, "{name}");
        names.insert(name);
    }
    assert_eq!(there.keys().cloned().collect::<BTreeSet<_>>(), names);
}

/// Goal: the user has the rights that the program asks for, no more and no fewer.
#[test]
fn strimzi_gives_the_rights_that_the_program_needs() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kubernetes/overlays/strimzi/user.yaml");
    let text = std::fs::read_to_string(manifest).unwrap();
    let (_, list) = text.split_once("      # acls: begin\n").unwrap();
    let (list, _) = list.split_once("      # acls: end\n").unwrap();
    let wanted = printed(&settings(""), &["gate", "-o", "strimzi"]);
    assert_eq!(list, wanted.split_once("    acls:\n").unwrap().1);
}
