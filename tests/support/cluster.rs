//! Three nodes of Kafka, each of which can be killed and started again alone. Their gates' listener is advertised at ports
//! that the caller names: that is where a proxy stands.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use flowgate::broker::kafka::{Kafka, KafkaOptions};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::metadata::Metadata;
use tempfile::TempDir;

use super::{Running, SMALL, START, VERSION, broker_ended, format_storage, jars, launch, write_log_config};

pub const NODES: usize = 3;

pub struct KafkaCluster {
    jars: PathBuf,
    nodes: Vec<Node>,
}

struct Node {
    directory: TempDir,
    /// Where tools and tests reach it.
    port: u16,
    /// Where it listens for what comes through the proxy.
    gates: u16,
    running: Mutex<Running>,
}

/// Who coordinates something.
#[derive(Clone, Copy, Debug)]
pub enum Coordinator<'a> {
    Group(&'a str),
    Transaction(&'a str),
}

impl KafkaCluster {
    /// Starts all nodes; `advertised` are the ports at which gates are told to look for them.
    pub fn start(advertised: [u16; NODES]) -> Self {
        let jars = jars(VERSION);
        let mut tries = 0;
        loop {
            let ports = free_ports();
            let directories = [(); NODES]
                .map(|()| tempfile::Builder::new().prefix("flowgate-kafka-").tempdir().expect("a temporary directory"));
            thread::scope(|scope| {
                for (node, directory) in directories.iter().enumerate() {
                    write_config(directory.path(), node, &ports, advertised[node]);
                    let jars = &jars;
                    scope.spawn(move || format_storage(jars, directory.path(), &[]));
                }
            });
            let nodes = directories.into_iter().zip(ports).map(|(directory, [port, gates, _])| {
                let running = Mutex::new(launch(&jars, directory.path(), SMALL));
                Node { directory, port, gates, running }
            });
            let cluster = Self { nodes: nodes.collect(), jars: jars.clone() };
            if (0..NODES).all(|node| cluster.wait_until_it_answers(node)) {
                return cluster;
            }
            tries += 1;
            let log = cluster.log();
            assert!(tries < 4 && log.contains("BindException"), "Kafka does not start:\n{log}");
        }
    }

    pub fn brokers(&self) -> String {
        let all: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        all.join(",")
    }

    /// The port at which a node listens for gates.
    pub fn gates_port(&self, node: usize) -> u16 {
        self.nodes[node].gates
    }

    /// `kill -9`: what was in the process is gone, what was written to files is kept by the operating system.
    pub fn kill(&self, node: usize) {
        let Node { directory, running, .. } = &self.nodes[node];
        let mut running = running.lock().unwrap();
        // The shell removes the directory when it ends, but not this time.
        fs::File::create(directory.path().join("keep")).expect("keeping the node's data");
        let status = Command::new("kill").args(["-9", &running.pid.to_string()]).status().expect("kill runs");
        assert!(status.success(), "kill -9 {} failed", running.pid);
        if let Some(mut shell) = running.shell.take() {
            drop(shell.stdin.take());
            shell.wait().expect("the shell ends");
        }
    }

    /// Starts a killed node again, with the same ports and data, and waits until it answers.
    pub fn restart(&self, node: usize) {
        let running = launch(&self.jars, self.nodes[node].directory.path(), SMALL);
        *self.nodes[node].running.lock().unwrap() = running;
        assert!(self.wait_until_it_answers(node), "node {} does not start again:\n{}", node + 1, self.log());
    }

    /// Whether every node is up and every replica of every partition is in sync.
    pub fn is_whole(&self) -> bool {
        let whole = |metadata: &Metadata| {
            let topics = metadata.topics().iter();
            let mut partitions = topics.flat_map(|topic| topic.partitions());
            metadata.brokers().len() == NODES
                && partitions
                    .all(|partition| partition.leader() >= 0 && partition.isr().len() == partition.replicas().len())
        };
        // Each by itself: what one knows, another may not know yet.
        self.nodes.iter().all(|node| metadata(node.port, None).is_some_and(|metadata| whole(&metadata)))
    }

    /// The node that leads a partition, if somebody does.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<usize> {
        let metadata = self.nodes.iter().find_map(|node| metadata(node.port, Some(topic)))?;
        let partitions = metadata.topics().first()?.partitions();
        let leader = partitions.iter().find(|known| known.id() == partition)?.leader();
        number(leader)
    }

    /// The node that coordinates a group, or the transactions of an id, if one of them says so.
    pub fn coordinator(&self, of: Coordinator<'_>) -> Option<usize> {
        self.nodes.iter().find_map(|node| find_coordinator(node.port, of).ok().flatten())
    }

    /// What the nodes have logged, warnings and worse: the ends.
    pub fn log(&self) -> String {
        let logs = self.nodes.iter().enumerate().map(|(node, Node { directory, .. })| {
            let log = fs::read_to_string(directory.path().join("server.log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            format!("node {}:\n{}\n", node + 1, lines[lines.len().saturating_sub(30)..].join("\n"))
        });
        logs.collect()
    }

    /// False if the process ended instead.
    fn wait_until_it_answers(&self, node: usize) -> bool {
        let Node { directory, port, running, .. } = &self.nodes[node];
        let deadline = Instant::now() + START;
        let kafka = Kafka::new(KafkaOptions::new(format!("127.0.0.1:{port}")));
        loop {
            if let Some(shell) = &mut running.lock().unwrap().shell
                && broker_ended(shell, directory.path())
            {
                return false;
            }
            if kafka.connect(Duration::from_millis(500)).is_ok()
                && metadata(*port, None)
                    .is_some_and(|metadata| metadata.brokers().iter().any(|broker| number(broker.id()) == Some(node)))
            {
                return true;
            }
            assert!(Instant::now() < deadline, "Kafka does not answer within {START:?}:\n{}", self.log());
        }
    }
}

impl Drop for KafkaCluster {
    fn drop(&mut self) {
        for node in &self.nodes {
            if let Some(mut shell) = node.running.lock().unwrap().shell.take() {
                // The end of its input is the shell's sign to kill the node.
                drop(shell.stdin.take());
                let _ = shell.wait();
            }
        }
    }
}

fn number(id: i32) -> Option<usize> {
    usize::try_from(id - 1).ok().filter(|node| *node < NODES)
}

/// As one node tells it, with a client of its own: nothing is remembered.
fn metadata(port: u16, topic: Option<&str>) -> Option<Metadata> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", format!("127.0.0.1:{port}")).set("log_level", "0");
    let client: BaseConsumer = config.create().expect("a client");
    client.fetch_metadata(topic, Duration::from_secs(2)).ok()
}

/// FindCoordinator (key 10, version 1), by hand: librdkafka tells nobody whom it has found.
fn find_coordinator(port: u16, of: Coordinator<'_>) -> std::io::Result<Option<usize>> {
    let (key, kind) = match of {
        Coordinator::Group(group) => (group, 0),
        Coordinator::Transaction(id) => (id, 1),
    };
    let mut request = vec![0, 10, 0, 1, 0, 0, 0, 7, 0xff, 0xff];
    request.extend(u16::try_from(key.len()).expect("a short name").to_be_bytes());
    request.extend(key.as_bytes());
    request.push(kind);
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(2)))?;
    connection.write_all(&u32::try_from(request.len()).expect("a short request").to_be_bytes())?;
    connection.write_all(&request)?;
    let mut size = [0; 4];
    connection.read_exact(&mut size)?;
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    connection.read_exact(&mut answer)?;
    // Correlation id (4), throttling (4), error (2), its text (2 and its length), node (4).
    let at = |place: usize| answer.get(place..place + 2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]));
    let (Some(0), Some(text)) = (at(8), at(10)) else { return Ok(None) };
    let place = 12 + usize::try_from(text).unwrap_or(0);
    let node = answer.get(place..place + 4).map(|bytes| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    Ok(node.and_then(number))
}

/// For each node: its port, that for gates, that for controllers.
fn free_ports() -> [[u16; 3]; NODES] {
    let free = || TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listeners = [(); NODES].map(|()| [free(), free(), free()]);
    listeners.map(|of| of.map(|listener| listener.local_addr().expect("a bound address").port()))
}

fn write_config(directory: &Path, node: usize, ports: &[[u16; 3]; NODES], advertised: u16) {
    let id = |node: usize| node + 1;
    let voters: Vec<String> =
        ports.iter().enumerate().map(|(node, [.., port])| format!("{}@127.0.0.1:{port}", id(node))).collect();
    let [port, gates, controller] = ports[node];
    // The short sessions and quorum timeouts let another node take over within seconds; the short waits of replicas
    // make the first write to a new topic quick. Coordinators have several partitions, so that nodes share them.
    let lines = format!(
        "process.roles=broker,controller\n\
         node.id={}\n\
         controller.quorum.voters={}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{port},GATES://127.0.0.1:{gates},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port},GATES://127.0.0.1:{advertised}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,GATES:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         inter.broker.listener.name=PLAINTEXT\n\
         log.dirs={}\n\
         auto.create.topics.enable=false\n\
         default.replication.factor=3\n\
         min.insync.replicas=2\n\
         offsets.topic.num.partitions=3\n\
         offsets.topic.replication.factor=3\n\
         transaction.state.log.num.partitions=3\n\
         transaction.state.log.replication.factor=3\n\
         transaction.state.log.min.isr=2\n\
         share.coordinator.state.topic.num.partitions=1\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=1000\n\
         transaction.abort.timed.out.transaction.cleanup.interval.ms=500\n\
         broker.session.timeout.ms=3000\n\
         broker.heartbeat.interval.ms=500\n\
         controller.quorum.fetch.timeout.ms=1500\n\
         controller.quorum.election.timeout.ms=500\n\
         replica.fetch.wait.max.ms=50\n\
         replica.fetch.backoff.ms=50\n\
         log.cleaner.dedupe.buffer.size=16777216\n\
         log.cleaner.backoff.ms=200\n\
         log.initial.task.delay.ms=500\n\
         file.delete.delay.ms=1000\n",
        id(node),
        voters.join(","),
        directory.join("data").display()
    );
    fs::write(directory.join("server.properties"), lines).expect("writing the node's properties");
    write_log_config(directory);
}
