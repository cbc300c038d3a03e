//! A broker that allows its users nothing but what ACLs say, and Kafka's own tool to give and take them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{KafkaServer, SMALL, VERSION, jars, missing};

/// Whoever comes by the plain listener may do everything: the broker itself, and the test.
const PROPERTIES: &[(&str, &str)] = &[
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("super.users", "User:ANONYMOUS"),
    ("allow.everyone.if.no.acl.found", "false"),
    ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,TLS:SSL,MUTUAL:SSL"),
    ("sasl.enabled.mechanisms", "SCRAM-SHA-512"),
    ("listener.name.sasl.sasl.enabled.mechanisms", "SCRAM-SHA-512"),
    (
        "listener.name.sasl.scram-sha-512.sasl.jaas.config",
        "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    ),
    // A certificate's user is its name.
    ("listener.name.mutual.ssl.principal.mapping.rules", "RULE:^CN=([^,]+).*$/$1/,DEFAULT"),
];

pub struct Secured {
    pub server: KafkaServer,
    tool: AclTool,
}

impl Secured {
    /// With these users. Each has a password, which is its name with `-secret`, and a certificate.
    pub fn start(users: &[&str]) -> Self {
        let passwords: Vec<_> = users.iter().map(|user| format!("{user}-secret")).collect();
        let users: Vec<_> = users.iter().copied().zip(passwords.iter().map(String::as_str)).collect();
        let server = KafkaServer::start_for(jars(VERSION), &users, SMALL, PROPERTIES);
        let tool = AclTool::start(&server);
        Self { server, tool }
    }

    /// Settings of a client that shows the user's certificate. None of them is a secret.
    pub fn by_certificate(&self, user: &str) -> Vec<String> {
        let file = |file: &str| self.server.certificate(file).display().to_string();
        vec![
            "security.protocol=SSL".to_owned(),
            format!("ssl.ca.location={}", file("ca.crt")),
            format!("ssl.certificate.location={}", file(&format!("{user}.crt"))),
            format!("ssl.key.location={}", file(&format!("{user}.key"))),
        ]
    }

    /// Settings of a client that gives the user's password, which lies in a file.
    pub fn by_password(&self, user: &str) -> Vec<String> {
        let file = self.server.directory.path().join(format!("{user}.password"));
        std::fs::write(&file, format!("{user}-secret\n")).expect("writing a password");
        vec![
            "security.protocol=SASL_SSL".to_owned(),
            "sasl.mechanism=SCRAM-SHA-512".to_owned(),
            format!("ssl.ca.location={}", self.server.certificate("ca.crt").display()),
            format!("sasl.username={user}"),
            format!("sasl.password.file={}", file.display()),
        ]
    }

    /// Runs the lines that begin with `kafka-acls`, as they stand, without their comments. No name in them has a space.
    pub fn acls(&mut self, lines: &str) {
        let lines = lines.lines().filter_map(|line| line.split(" # ").next()?.strip_prefix("kafka-acls "));
        lines.for_each(|line| self.tool.run(line));
    }

    /// Takes the rights away that the same line has given.
    pub fn remove(&mut self, line: &str) {
        self.acls(&line.replace(" --add ", " --remove --force "));
    }
}

/// Kafka's `AclCommand` in one Java machine: each start of one takes seconds.
struct AclTool {
    java: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl AclTool {
    fn start(server: &KafkaServer) -> Self {
        let source = server.directory.path().join("Acls.java");
        std::fs::write(&source, include_str!("Acls.java")).expect("writing the tool");
        let mut java = Command::new("java")
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(server.jars.join("*"))
            .arg(source)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| missing("java", &error));
        let (input, output) = (java.stdin.take().expect("piped"), java.stdout.take().expect("piped"));
        Self { java, input, output: BufReader::new(output) }
    }

    fn run(&mut self, arguments: &str) {
        writeln!(self.input, "{}", arguments.replace('\'', "")).expect("the tool reads on");
        let (mut said, mut line) = (String::new(), String::new());
        while line.trim_end() != "done 0" {
            line.clear();
            let read = self.output.read_line(&mut line).expect("the tool answers");
            said.push_str(&line);
            assert!(read > 0 && !line.starts_with("done 1"), "kafka-acls {arguments}:\n{said}");
        }
    }
}

impl Drop for AclTool {
    fn drop(&mut self) {
        let _ = self.java.kill();
        let _ = self.java.wait();
    }
}
