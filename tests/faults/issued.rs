//! Brokers that want tokens (SASL/OAUTHBEARER), and whoever issues them is down for a while.

use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::company::{Company, Gate, happened, is_live, is_paused};
use crate::issuer::{AUDIENCE, CLIENT, Issuer, SUBJECT, replace};
use crate::process::{eventually, flowgate};
use crate::prometheus::Prometheus;
use crate::server::{KafkaServer, certificates};
use crate::upstream::Partitioner;

const SECRETS: [&str; 3] = ["first-hunter2-4711", "second-hunter2-4712", "wrong-hunter2-4713"];

/// So short that a gate needs another one every few seconds.
const LIVES: Duration = Duration::from_secs(8);

struct Place {
    company: Company,
    server: KafkaServer,
    issuer: Issuer,
    folder: tempfile::TempDir,
}

impl Place {
    fn new(prefix: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates::make(folder.path());
        let issuer = Issuer::start(folder.path(), SECRETS[0], LIVES);
        let (keys, users) = (issuer.keys_url(), format!("User:ANONYMOUS;User:{SUBJECT}"));
        let of_tokens = |name: &str| format!("listener.name.sasl.oauthbearer.{name}");
        let validator = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler";
        let properties = [
            ("authorizer.class.name".to_owned(), "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
            // Only whoever is known by the name in the token may do anything.
            ("super.users".to_owned(), users.as_str()),
            (
                "listener.security.protocol.map".to_owned(),
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_SSL,TLS:SSL,MUTUAL:SSL",
            ),
            ("sasl.enabled.mechanisms".to_owned(), "OAUTHBEARER"),
            ("listener.name.sasl.sasl.enabled.mechanisms".to_owned(), "OAUTHBEARER"),
            (
                of_tokens("sasl.jaas.config"),
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
            ),
            (of_tokens("sasl.server.callback.handler.class"), validator),
            (of_tokens("sasl.oauthbearer.jwks.endpoint.url"), keys.as_str()),
            (of_tokens("sasl.oauthbearer.expected.audience"), AUDIENCE),
            // Whoever is connected has to show a token again before the last one ends.
            (of_tokens("connections.max.reauth.ms"), "60000"),
        ];
        let properties = properties.each_ref().map(|(name, value)| (name.as_str(), *value));
        let jvm = format!(
            "-Xms256m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
             -Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys}"
        );
        let server = KafkaServer::start_with(&jvm, &properties);
        let company = Company::on(&server.brokers(), &server.sasl_brokers(), prefix, 2, 1);
        let place = Self { company, server, issuer, folder };
        place.write(SECRETS[0]);
        place
    }

    fn write(&self, secret: &str) {
        replace(&self.folder.path().join("secret"), &format!("{secret}\n"));
    }

    fn settings(&self) -> Vec<String> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        [
            ("security.protocol", "SASL_SSL".to_owned()),
            ("ssl.ca.location", self.server.certificate("ca.crt").display().to_string()),
            ("sasl.mechanism", "OAUTHBEARER".to_owned()),
            ("sasl.oauthbearer.method", "oidc".to_owned()),
            ("sasl.oauthbearer.token.endpoint.url", self.issuer.url()),
            ("sasl.oauthbearer.client.id", CLIENT.to_owned()),
            ("sasl.oauthbearer.client.secret.file", file("secret")),
            ("sasl.oauthbearer.scope", "kafka write".to_owned()),
            ("https.ca.location", file("ca.crt")),
        ]
        .map(|(name, value)| format!("kafka.{name}={value}"))
        .to_vec()
    }

    fn gate(&self) -> Gate {
        let settings = [self.settings(), vec!["log.level=trace".to_owned()]].concat();
        self.company.gate("a", &settings.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// A command of somebody who brings a token too.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = flowgate(&self.server.sasl_brokers(), &self.company.topics.prefix, args);
        for setting in self.settings() {
            command.args(["-X", &setting]);
        }
        command.output().unwrap()
    }
}

fn is_ready(gate: &Gate) -> bool {
    gate.get("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.0 200"))
}

/// Goal: a gate with tokens pauses, holds and drains while its tokens end one after the other; whoever issues them goes away for longer
/// than a token lives, and comes back with another secret; nothing is lost, the gate says what is missing and goes on by itself. Method:
/// brokers that ask for a new token before each one ends, and a principal without which nothing is allowed.
#[test]
fn tokens_end_and_their_issuer_is_down_for_a_while() {
    let place = Place::new("issued");
    let company = &place.company;
    let mut client = company.client(Partitioner::Java);

    place.write(SECRETS[2]);
    let refused = place.run(&["flows"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(6), "{said}");
    let sentence = format!("the token endpoint {} refuses client `{CLIENT}`: invalid_client: ", place.issuer.url());
    assert!(said.contains("error: no token for the brokers: ") && said.contains(&sentence), "{said}");
    let mut wrong = place.gate();
    eventually("a gate with a wrong secret ends", || wrong.ended().is_some());
    let (code, log) = wrong.end();
    assert!(code == Some(6) && log.contains(&sentence), "{log}");
    place.write(SECRETS[0]);

    let gate = place.gate().restored();
    let prometheus = Prometheus::watching(company);
    client.burst("welcome", 50);
    company.until_all_is_read();
    let paused = place.run(&["pause", "welcome", "--timeout", "120s"]);
    assert!(paused.status.success(), "{paused:?}{}", company.logs());
    client.burst("welcome", 200);
    company.until_all_is_read();
    company.until("paused", "welcome", is_paused);

    // The gate has asked for a few by now, however many clients it has: nobody else lives on one.
    let before = place.issuer.issued();
    assert!(before.iter().all(|form| form == "grant_type=client_credentials&scope=kafka+write"), "{before:?}");
    eventually("tokens were renewed", || place.issuer.issued().len() >= before.len() + 3);
    assert!(is_ready(&gate) && !gate.log().contains("Authentication failed"), "{}", gate.log());

    place.issuer.down();
    eventually("it says what is missing", || {
        gate.get("/readyz")
            .is_some_and(|answer| answer.contains("no token for the brokers: the token endpoint https://"))
    });
    assert!(gate.log().contains("no token for the brokers: "), "{}", gate.log());
    client.burst("welcome", 100);
    client.burst("other", 100);
    // Brokers close connections whose tokens have ended: for longer than any of them lives, nothing goes on.
    eventually("the brokers let nobody in any more", || !is_ready(&gate) && gate.log().contains("Authentication"));
    prometheus.sees("FlowgateNotReady", r#"instance="a""#);

    // It comes back, and takes another secret: refused until the file has it.
    place.issuer.set_secret(SECRETS[1]);
    place.issuer.up();
    eventually("refused", || gate.log().contains(&sentence));
    place.write(SECRETS[1]);
    eventually("ready again", || is_ready(&gate));
    company.until_all_is_read();
    company.order(&["resume", "welcome", "--wait"]);
    company.until("live", "welcome", is_live);
    client.burst("welcome", 50);
    company.until_all_is_read();

    let answers = ["/metrics", "/readyz", "/api/v1/flows", "/nothing"];
    let answers: String = answers.iter().filter_map(|path| gate.get(path)).collect();
    let arguments = gate.arguments();
    let log = gate.stop();
    let shown = place.run(&["config", "show"]);
    let shown = [shown.stdout, shown.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(shown.contains("client.secret.file") && arguments.contains("client.secret.file"), "{shown}");
    for text in [&log, &said, &answers, &arguments, &shown] {
        let is_clean = SECRETS.iter().all(|secret| !text.contains(&secret[..12])) && !text.contains("eyJ");
        assert!(is_clean, "a secret or a token came out: {text}");
    }
    // Nobody but the issuer was asked, and no line is broken.
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    happened("a token ends and there is no other one", 1, 1, &company.check());
}
