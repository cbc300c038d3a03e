//! `flowgate run`: the process of the gate.
//!
//! The main thread serves HTTP and hears signals. Another one brings the workers up and waits for them; a third one
//! watches for calls that hang.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::connect::kafka_for_long;
use super::handles::Handles;
use super::open::url;
use super::rereading::{self, Changing};
use super::spawn::spawn;
use super::topics::refuse;
use super::traces::Tracing;
use super::{Failure, exit};
use crate::api::{Certificates, Hosts, Limits, OwnKey, Server, Setup};
use crate::broker::kafka::Kafka;
use crate::broker::{Action, Admin, Broker, Code, Error};
use crate::config::{Settings, Sources};
use crate::instance::{self, Board, StopSign};
use crate::metrics::Metrics;
use crate::schema::topics::Topics;
use crate::topics::acls::{Acl, Needs, Role, missing, sentence, some_queue, vital};
use crate::topics::check::{Scope, check};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names this instance among those of the prefix
    #[arg(long)]
    instance: Option<String>,
    /// Workers, each a thread that owns partitions
    #[arg(long)]
    workers: Option<String>,
    /// Where metrics, health, the API and the console are served
    #[arg(long, value_name = "ADDRESS:PORT")]
    http: Option<String>,
    /// How logs are written: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Args {
    pub fn add_to(&self, sources: Sources) -> Sources {
        sources
            .with_flag("instance", self.instance.clone())
            .with_flag("workers", self.workers.clone())
            .with_flag("http", self.http.clone())
            .with_flag("log.format", self.log_format.clone())
    }
}

/// A stop in good order takes no longer, while brokers answer.
const STOP: Duration = Duration::from_millis(4800);

/// The last spans are sent until then.
const END: Duration = Duration::from_millis(4950);

/// How long one try to reach the brokers takes: shorter than a stop may.
const REACH: Duration = Duration::from_secs(2);

pub fn run(settings: &Settings) -> Result<(), Failure> {
    // One thread serves everybody; what takes long is done on others (`api/room.rs`).
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(exit::OTHER, format!("the process cannot start: {error}")))?;
    let outcome = runtime.block_on(serve(settings));
    // What is still being read or redriven for HTTP is not waited for: it ends with the process, and loses nothing.
    runtime.shutdown_background();
    outcome
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    let cannot = |what: &str, error: &dyn std::fmt::Display| Failure::new(exit::OTHER, format!("{what}: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| cannot("no signals can be heard", &error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| cannot("no signals can be heard", &error))?;
    let listener = TcpListener::bind(settings.http).await.map_err(|error| {
        Failure::new(exit::CONFIGURATION, format!("cannot listen on {}: {error}", settings.http))
            .hint("give another address or port with `--http`")
    })?;
    let brokers = settings.brokers.split(',').count();
    let handles = Handles::share(settings.workers, brokers, Limits::default().connections);
    let limits = Limits { connections: usize::try_from(handles.http).unwrap_or(usize::MAX), ..Limits::default() };
    let metrics = Metrics::new().map_err(|error| cannot("the metrics cannot be made", &error))?;
    let board = Arc::new(Board::new(metrics, settings.workers));
    let (stop, kafka) = (StopSign::default(), kafka_for_long(settings));
    let http = listener.local_addr().unwrap_or(settings.http);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        instance = settings.instance,
        prefix = settings.topics.prefix,
        brokers = settings.brokers,
        http = %http,
        console = url(http, settings.http_is_tls),
        http_connections = handles.http,
        file_handles = handles.limit,
        "flowgate starts"
    );
    if let Some(warning) = handles.warning() {
        tracing::warn!("{warning}");
    }
    let of_tokens = Arc::clone(&board);
    watch(&kafka, move |kafka| of_tokens.lack_token(kafka.lacks_token()))?;
    let setup = setup(settings)?;
    let certificates = setup.tls.clone();
    let server = Server::new(&board, setup, limits);
    if let Some(tls) = &settings.http_tls {
        rereading::shows(&tls.pair, &board.metrics);
    }
    let (keys, metrics, tracing) = (server.keys(), board.metrics.clone(), Tracing::start(settings, &board)?);
    let changing = Changing { kafka: kafka.clone(), keys, certificates, metrics, tracing: tracing.clone() };
    rereading::watch(settings, &changing)?;
    let mut ended = bring_up(settings, kafka, &board, &stop)?;
    let server = tokio::spawn(server.serve(listener));
    tokio::select! {
        outcome = &mut ended => return outcome.unwrap_or(Ok(())),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let stopped_at = Instant::now();
    tracing::info!("stopping: the turn is finished, the partitions are marked as cleanly left");
    stop.raise();
    board.hinder(Some("stopping".to_owned()));
    let late = || {
        Failure::new(exit::OTHER, "the gate could not leave in good order in time")
            .hint("nothing is lost: another gate takes over when the session has timed out; do the brokers answer?")
    };
    let outcome = tokio::select! {
        outcome = &mut ended => outcome.unwrap_or(Ok(())),
        () = tokio::time::sleep(STOP) => Err(late()),
        _ = terminate.recv() => Err(late()),
        _ = interrupt.recv() => Err(late()),
    };
    server.abort();
    if outcome.is_ok() {
        // Not on this thread: it hears signals, and a second one ends the process at once.
        let left = END.saturating_sub(stopped_at.elapsed());
        let flushed = tokio::task::spawn_blocking(move || tracing.flush(left));
        tokio::select! {
            _ = flushed => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    outcome
}

/// Who may ask, and what HTTP is told of the settings.
fn setup(settings: &Settings) -> Result<Setup, Failure> {
    let own_key = OwnKey::random();
    let own_key = own_key.map_err(|error| Failure::new(exit::OTHER, format!("no random bytes can be had: {error}")))?;
    let is_loopback = settings.http.ip().is_loopback();
    if !is_loopback && settings.http_tokens.is_empty() {
        tracing::warn!(
            "HTTP is reached from elsewhere, and `http_tokens` is empty: nothing but /metrics, /livez, /readyz and \
             the console's files is answered there; `flowgate token create` makes a token"
        );
    }
    Ok(Setup {
        hosts: Hosts::new(settings.http, &settings.http_hosts),
        is_loopback,
        tokens: settings.http_tokens.clone(),
        is_read_only: settings.http_read_only,
        topics: settings.topics.clone(),
        secret: settings.http_secret.clone(),
        own_key,
        label: settings.http_label.clone(),
        tls: settings.http_tls.as_ref().map(|tls| Certificates::new(Arc::clone(&tls.pair.server))),
    })
}

/// Reaches the brokers, checks the topics, runs the workers to their end: on a thread, for all of it blocks.
fn bring_up(
    settings: &Settings,
    kafka: Kafka,
    board: &Arc<Board>,
    stop: &StopSign,
) -> Result<oneshot::Receiver<Result<(), Failure>>, Failure> {
    let (sender, receiver) = oneshot::channel();
    let (settings, board, stop) = (settings.clone(), Arc::clone(board), stop.clone());
    let work = move || {
        let outcome = patiently(&board, &stop, || kafka.connect(REACH))
            .and_then(|reached| reached.map_or(Ok(()), |()| gate(&kafka, &settings, &board, &stop)));
        // Nobody listens any more when the stop took too long.
        let _ = sender.send(outcome);
    };
    spawn("gate", work)?;
    Ok(receiver)
}

/// Runs the gate on a broker that is reached.
pub fn gate<B>(broker: &B, settings: &Settings, board: &Arc<Board>, stop: &StopSign) -> Result<(), Failure>
where
    B: Broker + Send + 'static,
{
    let topics = &settings.topics;
    let wanted = rights(settings);
    let looked = patiently(board, stop, || look_at_rights(&mut broker.admin()?, topics, &wanted))?;
    let Some(queue) = looked else { return Ok(()) };
    board.hinder(Some("starting".to_owned()));
    let looked =
        patiently(board, stop, || check(&mut broker.admin()?, topics, settings.limits.max_pause, Scope::Fixed))?;
    let Some(differences) = looked else { return Ok(()) };
    refuse(&differences)?;
    let workers = settings.each_worker(crate::clock::now());
    board.hinder(None);
    instance::watch_rights(broker, wanted, queue, board, stop)?;
    Ok(instance::run(broker, topics, workers, board, stop)?)
}

/// What the brokers have to allow.
fn rights(settings: &Settings) -> Vec<Acl> {
    let (topics, is_read_only) = (&settings.topics, settings.http_read_only);
    Role::Gate.acls(&Needs { topics, is_read_only, executors: "" })
}

/// A gate without a right that events need would begin, and fail at the first event that needs it. Gives a queue topic, if there is one.
fn look_at_rights<A: Admin>(admin: &mut A, topics: &Topics, wanted: &[Acl]) -> Result<Option<String>, Error> {
    let queue = some_queue(admin, topics)?;
    let lacking = vital(&missing(admin, wanted, queue.as_deref())?);
    if lacking.is_empty() { Ok(queue) } else { Err(Error::new(Action::Retry, Code::Denied, sentence(&lacking))) }
}

/// Asks again until there is an answer; `None`: a stop came first.
fn patiently<T>(
    board: &Board,
    stop: &StopSign,
    mut ask: impl FnMut() -> Result<T, Error>,
) -> Result<Option<T>, Failure> {
    const AGAIN: Duration = Duration::from_millis(500);
    /// Nobody gives a right twice a second, and each look is a login.
    const DENIED: Duration = Duration::from_secs(3);
    let mut told: Option<Instant> = None;
    while !stop.is_up() {
        match ask() {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) if error.action == Action::Retry => {
                let why = match error.code {
                    Code::Denied => "waiting for rights",
                    Code::NoToken => "waiting for a token for the brokers",
                    _ => "waiting for the brokers",
                };
                board.hinder(Some(format!("{why}: {error}")));
                if told.is_none_or(|told| told.elapsed() > Duration::from_secs(30)) {
                    tracing::warn!(%error, "{why}");
                    told = Some(Instant::now());
                }
                thread::sleep(if error.code == Code::Denied { DENIED } else { AGAIN });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Ends the process when a call into librdkafka hangs: nothing else can end such a call. `tell`: is told of the cluster every second.
pub(super) fn watch(kafka: &Kafka, tell: impl Fn(&Kafka) + Send + 'static) -> Result<(), Failure> {
    let kafka = kafka.clone();
    spawn("watchdog", move || {
        loop {
            thread::sleep(Duration::from_secs(1));
            tell(&kafka);
            if let Some(call) = kafka.overdue(Instant::now()) {
                let failure = Failure::new(exit::WATCHDOG, format!("a call to the brokers hangs: {call}"))
                    .hint("start it again (a supervisor does): nothing is lost, the open transaction is aborted");
                eprintln!("error: {failure}");
                std::process::exit(exit::WATCHDOG.into());
            }
        }
    })
}
