//! A real Kafka for a test binary: Apache Kafka from its Maven artifacts, one broker on free ports of this machine.
//!
//! The jars are gathered once into a cache outside of the tree, under a lock that test binaries share. The broker ends
//! with the test process, however that ends. Without Java or Maven the tests fail and say what to install.

pub mod certificates;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
pub mod cluster;
mod missing;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
pub mod secured;

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use flowgate::broker::kafka::{Kafka, KafkaOptions};
use missing::missing;
use tempfile::TempDir;

/// The broker that the tests run against.
const VERSION: &str = "4.3.1";

/// What each name of a broker's directory is formatted with: 16 bytes in URL-safe base64.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// How long a broker may take to answer, on a machine that is busy with other tests.
const START: Duration = Duration::from_secs(120);

/// For the Java machine of a broker that has little to do, and that is started often.
const SMALL: &str = "-Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1";

pub struct KafkaServer {
    directory: TempDir,
    jars: PathBuf,
    /// Options of its Java machine.
    jvm: String,
    ports: Ports,
    running: Mutex<Running>,
}

/// Where the broker listens, and what its clients have to bring there.
#[derive(Clone, Copy)]
struct Ports {
    /// Nothing.
    plain: u16,
    /// The broker's own.
    controller: u16,
    /// A password.
    sasl: u16,
    /// Trust in the broker's certificate.
    tls: u16,
    /// That, and a certificate of their own.
    mutual_tls: u16,
}

struct Running {
    /// The shell that holds the broker; `None` while it is down.
    shell: Option<Child>,
    /// The broker's own process.
    pid: u32,
}

/// The broker of this test binary, started by whoever asks first.
pub fn shared() -> &'static KafkaServer {
    static SERVER: OnceLock<KafkaServer> = OnceLock::new();
    SERVER.get_or_init(|| KafkaServer::start(&[]))
}

impl KafkaServer {
    /// Starts a broker with further properties, on other ports if somebody takes the first ones meanwhile.
    pub fn start(properties: &[(&str, &str)]) -> Self {
        Self::start_with(SMALL, properties)
    }

    /// The same with other options for its Java machine, and a space between them.
    pub fn start_with(jvm: &str, properties: &[(&str, &str)]) -> Self {
        Self::start_for(jars(VERSION), &[], jvm, properties)
    }

    /// A broker of another version.
    pub fn of_version(version: &str) -> Self {
        Self::start_for(jars(version), &[], SMALL, &[])
    }

    /// The same with users, each with a password (SCRAM-SHA-512), and certificates of clients.
    fn start_for(jars: PathBuf, users: &[(&str, &str)], jvm: &str, properties: &[(&str, &str)]) -> Self {
        let mut tries = 0;
        loop {
            let directory =
                tempfile::Builder::new().prefix("flowgate-kafka-").tempdir().expect("a temporary directory");
            let ports = Ports::free();
            certificates::make(&directory.path().join("tls"));
            users.iter().for_each(|(user, _)| certificates::client(&directory.path().join("tls"), user));
            write_config(directory.path(), ports, properties);
            format_storage(&jars, directory.path(), users);
            let running = launch(&jars, directory.path(), jvm);
            let (jars, jvm, running) = (jars.clone(), jvm.to_owned(), Mutex::new(running));
            let server = Self { directory, jars, jvm, ports, running };
            if server.wait_until_it_answers() {
                return server;
            }
            tries += 1;
            let log = server.log();
            assert!(tries < 4 && log.contains("BindException"), "Kafka does not start:\n{log}");
        }
    }

    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.plain)
    }

    /// The broker's own process.
    pub fn pid(&self) -> u32 {
        self.running.lock().unwrap().pid
    }

    /// Where it keeps its logs: a folder for each partition.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The listener that wants a password (SASL/PLAIN): user `gate`, password `secret`.
    pub fn sasl_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.sasl)
    }

    /// The listener that speaks TLS, with a certificate of `ca.crt`.
    pub fn tls_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.tls)
    }

    /// As above, and it wants a certificate of `ca.crt` from its clients: `client.crt` with `client.key`.
    pub fn mutual_tls_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.mutual_tls)
    }

    /// One of the files that `certificates.rs` made: `ca.crt`, `client.crt`, `client.key`, or `stranger.crt`, which is a
    /// CA that signed nothing here.
    pub fn certificate(&self, file: &str) -> PathBuf {
        self.directory.path().join("tls").join(file)
    }

    /// Properties for a [`KafkaServer::sasl_brokers`] that speaks TLS and wants a password of SCRAM, from users whom
    /// [`KafkaServer::let_in`] knows, and that again every four seconds.
    pub const SCRAM: &[(&str, &str)] = &[
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,TLS:SSL,MUTUAL:SSL"),
        ("listener.name.sasl.sasl.enabled.mechanisms", "SCRAM-SHA-512"),
        (
            "listener.name.sasl.scram-sha-512.sasl.jaas.config",
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        ),
        ("listener.name.sasl.scram-sha-512.connections.max.reauth.ms", "4000"),
    ];

    /// Gives a user of SCRAM a password, in the place of the one before.
    pub fn let_in(&self, user: &str, password: &str) {
        let output = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(self.jars.join("*"))
            .args(["kafka.admin.ConfigCommand", "--bootstrap-server", &self.brokers(), "--alter"])
            .args(["--entity-type", "users", "--entity-name", user])
            .args(["--add-config", &format!("SCRAM-SHA-512=[iterations=4096,password={password}]")])
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| missing("java", &error));
        assert!(output.status.success(), "giving {user} a password: {output:?}");
    }

    /// `kill -9`: what was in the process is gone, what was written to files is kept by the operating system.
    pub fn kill(&self) {
        let mut running = self.running.lock().unwrap();
        // The shell removes the directory when it ends, but not this time.
        File::create(self.directory.path().join("keep")).expect("keeping the broker's data");
        // The broker's own process: it is a child of the shell, which notices and ends.
        let status = Command::new("kill").args(["-9", &running.pid.to_string()]).status().expect("kill runs");
        assert!(status.success(), "kill -9 {} failed", running.pid);
        if let Some(mut shell) = running.shell.take() {
            drop(shell.stdin.take());
            shell.wait().expect("the shell ends");
        }
    }

    /// Properties for a broker that is to be killed: a new process of it is let in again only when the old one's
    /// session has ended. Not for others: on a busy machine so short a session ends by itself.
    pub const QUICK_RESTART: &[(&str, &str)] =
        &[("broker.session.timeout.ms", "2000"), ("broker.heartbeat.interval.ms", "250")];

    /// Starts a killed broker again, with the same ports and data, and waits until it answers.
    pub fn restart(&self) {
        let running = launch(&self.jars, self.directory.path(), &self.jvm);
        *self.running.lock().unwrap() = running;
        assert!(self.wait_until_it_answers(), "Kafka does not start again:\n{}", self.log());
    }

    /// What the broker has logged, warnings and worse.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("server.log")).unwrap_or_default()
    }

    /// False if the process ended instead.
    fn wait_until_it_answers(&self) -> bool {
        let deadline = Instant::now() + START;
        let kafka = Kafka::new(KafkaOptions::new(self.brokers()));
        loop {
            if let Some(shell) = &mut self.running.lock().unwrap().shell
                && broker_ended(shell, self.directory.path())
            {
                return false;
            }
            // Each try has a client of its own, which does not remember when it may connect again.
            if kafka.connect(Duration::from_millis(500)).is_ok() {
                return true;
            }
            assert!(Instant::now() < deadline, "Kafka does not answer within {START:?}:\n{}", self.log());
        }
    }
}

impl Drop for KafkaServer {
    fn drop(&mut self) {
        if let Some(mut shell) = self.running.lock().unwrap().shell.take() {
            // The end of its input is the shell's sign to kill the broker.
            drop(shell.stdin.take());
            let _ = shell.wait();
        }
    }
}

/// The broker leaves a file when its process has ended, for the shell goes on reading its input.
fn broker_ended(shell: &mut Child, directory: &Path) -> bool {
    directory.join("ended").exists() || shell.try_wait().expect("the shell is ours").is_some()
}

/// Starts the broker under a shell that kills it when its input ends: the kernel closes that pipe with this process,
/// however it ends. (A signal on the parent's death would come with the end of the thread that started it, and test
/// threads end early.)
fn launch(jars: &Path, directory: &Path, jvm: &str) -> Running {
    let _ = fs::remove_file(directory.join("ended"));
    let _ = fs::remove_file(directory.join("pid"));
    let _ = fs::remove_file(directory.join("keep"));
    let _ = fs::remove_file(directory.join("pid"));
    // Signals to the whole foreground group (Ctrl-C) must not end the shell before it has done its work.
    let script = r#"trap '' INT TERM HUP
        (java $3 \
        -Dlog4j2.configurationFile="$2/log4j2.properties" -cp "$1/*" kafka.Kafka "$2/server.properties" \
        >>"$2/stdout.log" 2>&1 </dev/null & echo $! >"$2/pid.new"; mv "$2/pid.new" "$2/pid"; wait $!; : >"$2/ended") &
        cat >/dev/null; kill -9 "$(cat "$2/pid")" 2>/dev/null; wait
        [ -e "$2/keep" ] || rm -rf "$2""#;
    let shell = Command::new("sh")
        .args(["-c", script, "sh"])
        .args([jars, directory])
        .arg(jvm)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh runs");
    let deadline = Instant::now() + START;
    let pid = loop {
        if let Ok(pid) = fs::read_to_string(directory.join("pid")) {
            break pid.trim().parse().expect("a process id");
        }
        assert!(Instant::now() < deadline, "the broker's shell does not start it");
        std::thread::yield_now();
    };
    Running { shell: Some(shell), pid }
}

fn write_config(directory: &Path, ports: Ports, more: &[(&str, &str)]) {
    let (data, tls_files) = (directory.join("data"), directory.join("tls"));
    let Ports { plain, controller, sasl, tls, mutual_tls } = ports;
    let mut lines = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},SASL://127.0.0.1:{sasl},\
         TLS://127.0.0.1:{tls},MUTUAL://127.0.0.1:{mutual_tls}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,MUTUAL:SSL\n\
         inter.broker.listener.name=PLAINTEXT\n\
         listener.name.sasl.sasl.enabled.mechanisms=PLAIN\n\
         listener.name.sasl.plain.sasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required user_gate=\"secret\";\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={}\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={}\n\
         listener.name.mutual.ssl.client.auth=required\n\
         log.dirs={}\n\
         auto.create.topics.enable=false\n\
         offsets.topic.num.partitions=5\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.num.partitions=5\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         group.min.session.timeout.ms=1000\n\
         group.max.session.timeout.ms=600000\n\
         transaction.max.timeout.ms=300000\n\
         transaction.abort.timed.out.transaction.cleanup.interval.ms=500\n\
         log.cleaner.dedupe.buffer.size=16777216\n\
         log.cleaner.backoff.ms=200\n\
         log.retention.check.interval.ms=500\n\
         log.initial.task.delay.ms=500\n\
         file.delete.delay.ms=1000\n",
        tls_files.join("server.pem").display(),
        tls_files.join("ca.crt").display(),
        data.display()
    );
    for (name, value) in more {
        lines.push_str(&format!("{name}={value}\n"));
    }
    fs::write(directory.join("server.properties"), lines).expect("writing the broker's properties");
    write_log_config(directory);
}

/// Warnings and worse go to `server.log`.
fn write_log_config(directory: &Path) {
    let log = format!(
        "rootLogger.level=warn\n\
         rootLogger.appenderRef.file.ref=file\n\
         appender.file.type=File\n\
         appender.file.name=file\n\
         appender.file.fileName={}\n\
         appender.file.layout.type=PatternLayout\n\
         appender.file.layout.pattern=%d %p %m (%c)%n\n",
        directory.join("server.log").display()
    );
    fs::write(directory.join("log4j2.properties"), log).expect("writing the broker's log settings");
}

fn format_storage(jars: &Path, directory: &Path, users: &[(&str, &str)]) {
    let user = |(name, password): &(&str, &str)| {
        ["--add-scram".to_owned(), format!("SCRAM-SHA-512=[name={name},password={password},iterations=4096]")]
    };
    let output = Command::new("java")
        .arg("-XX:TieredStopAtLevel=1")
        .arg("-cp")
        .arg(jars.join("*"))
        .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
        .arg(directory.join("server.properties"))
        .args(users.iter().flat_map(user))
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| missing("java", &error));
    assert!(output.status.success(), "formatting the broker's storage: {output:?}");
}

impl Ports {
    /// They were free a moment ago.
    fn free() -> Self {
        let listeners = [(); 5].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [plain, controller, sasl, tls, mutual_tls] =
            listeners.map(|listener| listener.local_addr().expect("a bound address").port());
        Self { plain, controller, sasl, tls, mutual_tls }
    }
}

/// The folder with the jars of a broker, filled by Maven the first time.
fn jars(version: &str) -> PathBuf {
    let cache = cache();
    fs::create_dir_all(&cache).expect("making the cache of the tests");
    // Another version of the list gets another folder, so that an old cache is never half of a new one.
    let wanted = include_str!("../kafka/pom.xml").replace(VERSION, version);
    let jars = cache.join(format!("kafka-{version}-{:016x}", fingerprint(wanted.as_bytes())));
    let pom = jars.with_extension("xml");
    let complete = jars.join("complete");
    let lock = File::create(cache.join("lock")).expect("opening the lock of the cache");
    lock.lock().expect("locking the cache");
    if !complete.exists() {
        fs::write(&pom, wanted).expect("writing Maven's project into the cache");
        let output = Command::new("mvn")
            .args(["-B", "-q", "-f"])
            .arg(&pom)
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", jars.display()))
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| missing("mvn", &error));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "Maven could not gather Kafka's jars ({}):\n{said}", output.status);
        File::create(&complete).expect("marking the cache as complete");
    }
    jars
}

fn cache() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    from("FLOWGATE_TEST_CACHE")
        .or_else(|| Some(from("XDG_CACHE_HOME")?.join("flowgate")))
        .or_else(|| Some(from("HOME")?.join(".cache/flowgate")))
        .unwrap_or_else(|| std::env::temp_dir().join("flowgate"))
}

/// FNV-1a: names a folder, nothing more.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
