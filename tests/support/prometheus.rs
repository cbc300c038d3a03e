//! A Prometheus of a test's own, which scrapes the gates of a company with the rules of `deploy/prometheus`.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::company::{Company, watch};
use crate::process::{self, eventually};
use crate::say::say;

/// The job that it scrapes the gates as.
pub const JOB: &str = "flowgate";

/// Everything once a second: it scrapes, looks for targets, and evaluates the rules.
const CONFIGURATION: &str = "
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [rules.yml]
scrape_configs:
  - job_name: flowgate
    tls_config: {insecure_skip_verify: true}
    file_sd_configs: [{files: [TARGETS], refresh_interval: 1s}]
";

pub struct Prometheus {
    child: Child,
    _folder: TempDir,
    http: String,
}

impl Prometheus {
    /// An alert fires here when its expression has held for a second: the times of the rules themselves are tested with
    /// promtool, which has time. Whatever gates the company starts are scraped, the newest of each name.
    pub fn watching(company: &Company) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/flowgate.rules.yml"));
        let quick = |line: &str| match line.trim_start().strip_prefix("for: ") {
            Some(time) => line.replace(time, "1s"),
            None => line.to_owned(),
        };
        let rules: Vec<String> = rules.unwrap().lines().map(quick).collect();
        fs::write(folder.path().join("rules.yml"), rules.join("\n")).unwrap();
        let configuration = CONFIGURATION.replace("TARGETS", &company.targets().display().to_string());
        fs::write(folder.path().join("prometheus.yml"), configuration).unwrap();
        let http = format!("127.0.0.1:{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
        let mut command = Command::new("prometheus");
        command.current_dir(folder.path()).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command
            .arg(format!("--web.listen-address={http}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| match error.kind() {
            ErrorKind::NotFound => {
                panic!("`prometheus` is not installed: apt-get install -y --no-install-recommends prometheus")
            }
            _ => panic!("`prometheus` does not run: {error}"),
        });
        watch(&format!("+{}", child.id()));
        let prometheus = Self { child, _folder: folder, http };
        eventually("Prometheus is ready", || prometheus.get("/-/ready").is_some_and(|text| text.contains(" 200 ")));
        prometheus
    }

    /// What an expression says now: the labels and the value of each series.
    pub fn query(&self, expression: &str) -> Vec<(Value, f64)> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(expression))).unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        assert_ne!(answer["status"], "error", "{expression}: {answer}");
        let series = |one: &Value| (one["metric"].clone(), one["value"][1].as_str().unwrap().parse().unwrap());
        answer["data"]["result"].as_array().into_iter().flatten().map(series).collect()
    }

    /// Whether some alert fires with these labels, `name="value", ...`.
    pub fn fires(&self, alert: &str, labels: &str) -> bool {
        let selector = format!("ALERTS{{alertname=\"{alert}\", alertstate=\"firing\", {labels}}}");
        !self.query(&selector).is_empty()
    }

    /// Waits until an alert fires with these labels, and says so.
    #[track_caller]
    pub fn sees(&self, alert: &str, labels: &str) {
        eventually(&format!("{alert} {labels}: firing {:?}", self.firing()), || self.fires(alert, labels));
        say(&format!("alert: {alert} {{{labels}}}"));
    }

    /// The names of all alerts that fire.
    pub fn firing(&self) -> Vec<String> {
        let alerts = self.query("count by (alertname) (ALERTS{alertstate=\"firing\"})");
        alerts.iter().map(|(labels, _)| labels["alertname"].as_str().unwrap().to_owned()).collect()
    }

    fn get(&self, path: &str) -> Option<String> {
        process::ask(&self.http, &process::get(path), Duration::from_secs(10))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        watch(&format!("-{}", self.child.id()));
    }
}

/// Percent-encoded, for a query.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}
