//! A process of the gate, and what it says of itself.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use flowgate::schema::topics::Topics;

use crate::Result;
use crate::child::Contender;
use crate::usage;

/// Between two looks.
const PACE: Duration = Duration::from_millis(20);

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(20);

/// Starts the process with these settings, by the names of their variables. Besides, what it is called and that any port will do is
/// all that is not as it ships.
pub fn launch(
    program: &Path,
    instance: &str,
    directory: &Path,
    brokers: &str,
    topics: &Topics,
    settings: &[(&str, &str)],
) -> Result<Contender> {
    let args = ["run", "--prefix", &topics.prefix, "--instance", instance, "--http", "127.0.0.1:0"];
    let settings = [&[("FLOWGATE_BROKERS", brokers)], settings].concat();
    Contender::start(directory, program, &args.map(str::to_owned), &settings)
}

pub struct Gate {
    pub contender: Contender,
    http: SocketAddr,
}

/// Its HTTP, and who asks.
pub struct Http {
    address: SocketAddr,
    token: Option<String>,
}

/// What `/metrics` says.
pub struct Metrics(String);

impl Gate {
    /// Starts an instance in a directory of its own within this one, and waits until it serves HTTP.
    pub fn start(
        program: &Path,
        instance: &str,
        directory: &Path,
        brokers: &str,
        topics: &Topics,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let directory = directory.join(instance);
        fs::create_dir_all(&directory)?;
        let mut contender = launch(program, instance, &directory, brokers, topics, settings)?;
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(http) = contender.log()?.lines().find_map(address) {
                return Ok(Self { contender, http });
            }
            contender.check()?;
            if Instant::now() > deadline {
                return Err("the gate does not say where it serves HTTP".into());
            }
            std::thread::sleep(PACE);
        }
    }

    pub fn pid(&self) -> u32 {
        self.contender.pid()
    }

    /// Its memory now, in MiB.
    pub fn resident_mib(&self) -> Result<f64> {
        Ok(usage::mib(usage::resident(self.pid())?))
    }

    /// Asked by nobody in particular.
    pub fn http(&self) -> Http {
        Http { address: self.http, token: None }
    }

    pub fn metrics(&self) -> Result<Metrics> {
        match self.http().get("/metrics")? {
            (200, text) => Ok(Metrics(text)),
            (status, text) => Err(format!("/metrics answers {status}: {text}").into()),
        }
    }

    /// Looks until it says so. What it says is at most a fifth of a second old.
    pub fn until(&mut self, what: &str, limit: Duration, holds: impl Fn(&Metrics) -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let metrics = self.metrics();
            // Why it does not answer is told by its end, if it has ended.
            self.contender.check()?;
            if holds(&metrics?)? {
                return Ok(());
            }
            if Instant::now() > deadline {
                let said = self.contender.last_words();
                return Err(format!("not within {limit:?}: {what}:\n{said}").into());
            }
            std::thread::sleep(PACE);
        }
    }

    /// Until it has its partitions, all of them restored.
    pub fn until_ready(&mut self) -> Result<()> {
        self.until("it is ready", Duration::from_secs(120), |now| {
            Ok(now.get("flowgate_ready")? == 1.0 && now.get(r#"flowgate_partitions{stage="active"}"#)? > 0.0)
        })
    }

    /// Until it holds nothing, and no flow is anything but live.
    pub fn until_all_is_live(&mut self) -> Result<()> {
        self.until("all flows are live, and nothing is held", Duration::from_secs(60), |now| {
            Ok(now.get("flowgate_held_events")? == 0.0
                && now.get(r#"flowgate_flows{state="paused"}"#)? == 0.0
                && now.get(r#"flowgate_flows{state="resuming"}"#)? == 0.0)
        })
    }

    /// Until so many flows are paused.
    pub fn until_paused(&mut self, flows: u32) -> Result<()> {
        self.until("the flows are paused", Duration::from_secs(60), |now| {
            Ok(now.get(r#"flowgate_flows{state="paused"}"#)? == f64::from(flows))
        })
    }

    /// Until so many flows are paused, and every index is ready.
    pub fn until_indexed(&mut self, paused: u32) -> Result<()> {
        self.until("the indexes of paused flows are ready", Duration::from_secs(900), |now| {
            Ok(now.get("flowgate_ready")? == 1.0
                && now.get(r#"flowgate_flows{state="paused"}"#)? == f64::from(paused)
                && now.get("flowgate_indexing_flows")? == 0.0)
        })
    }
}

impl Http {
    pub fn with(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// The status and the body of an answer.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.address, REQUEST)?;
        stream.set_read_timeout(Some(REQUEST))?;
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n"));
        let (host, token) = (self.address, token.unwrap_or_default());
        // Of the older version, so that the body comes in one piece.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n{token}\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("an answer without a body")?;
        Ok((status.ok_or("an answer without a status")?, body.to_owned()))
    }
}

impl Metrics {
    pub fn get(&self, series: &str) -> Result<f64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(line.ok_or_else(|| format!("the gate has no {series}"))?.trim().parse()?)
    }
}

/// Where a line of the log says that HTTP is served.
fn address(line: &str) -> Option<SocketAddr> {
    line.split(' ').find_map(|field| field.strip_prefix("http=")?.parse().ok())
}
