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
const REQUEST: Duration = Duration::from_secs(10);

/// Starts the process: what it is called, and that any port will do, is all that is not as it ships.
pub fn launch(program: &Path, instance: &str, directory: &Path, brokers: &str, topics: &Topics) -> Result<Contender> {
    let args = ["run", "--prefix", &topics.prefix, "--instance", instance, "--http", "127.0.0.1:0"];
    Contender::start(directory, program, &args.map(str::to_owned), &[("FLOWGATE_BROKERS", brokers)])
}

pub struct Gate {
    pub contender: Contender,
    http: SocketAddr,
}

/// What `/metrics` says.
pub struct Metrics(String);

impl Gate {
    /// Starts an instance in a directory of its own within this one, and waits until it serves HTTP.
    pub fn start(program: &Path, instance: &str, directory: &Path, brokers: &str, topics: &Topics) -> Result<Self> {
        let directory = directory.join(instance);
        fs::create_dir_all(&directory)?;
        let mut contender = launch(program, instance, &directory, brokers, topics)?;
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

    pub fn metrics(&self) -> Result<Metrics> {
        let mut stream = TcpStream::connect_timeout(&self.http, REQUEST)?;
        stream.set_read_timeout(Some(REQUEST))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.starts_with("HTTP/1.1 200") {
            true => Ok(Metrics(answer)),
            false => Err(format!("/metrics answers {:?}", answer.lines().next().unwrap_or_default()).into()),
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
