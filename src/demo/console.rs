//! The console of a demo's gate, for whoever sits at this machine: the page and the API of `flowgate run`, on a thread beside the demo.
//! What is ordered there goes through the control topic, as the demo's own orders do.

use std::fmt;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use tokio::runtime;

use crate::api::{Hosts, Limits, OwnKey, Server, Setup};
use crate::instance::Board;
use crate::schema::topics::Topics;

/// Where `flowgate run` serves it too.
const PORT: u16 = 8714;

/// What the console calls the gate that it shows.
const LABEL: &str = "demo";

/// Where it is, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Console {
    At(SocketAddr),
    /// Somebody else has the usual port.
    Elsewhere(SocketAddr),
    None(String),
}

impl Console {
    /// Serves what `board` shows until the process ends. A demo goes on without a console where there can be none.
    #[must_use]
    pub fn open(board: &Arc<Board>, topics: &Topics) -> Self {
        let usual = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT));
        let is_usual = usual.is_ok();
        let served = usual.or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        match served.and_then(|listener| serve(listener, board, topics)) {
            Ok(address) if is_usual => Self::At(address),
            Ok(address) => Self::Elsewhere(address),
            Err(error) => Self::None(error.to_string()),
        }
    }

    /// Says where it is, beside what the demo prints.
    pub fn tell(&self) {
        // Whoever has closed that does not want to know.
        let _ = writeln!(io::stderr(), "{self}");
    }

    /// The link to it.
    #[must_use]
    pub fn link(&self) -> Option<String> {
        match self {
            Self::At(address) | Self::Elsewhere(address) => Some(format!("http://{address}/")),
            Self::None(_) => None,
        }
    }
}

impl fmt::Display for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => write!(f, "console: http://{address}/"),
            Self::Elsewhere(address) => write!(f, "console: http://{address}/ (port {PORT} is taken)"),
            Self::None(why) => write!(f, "no console: {why}"),
        }
    }
}

fn serve(listener: TcpListener, board: &Arc<Board>, topics: &Topics) -> io::Result<SocketAddr> {
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let setup = Setup {
        hosts: Hosts::new(address, &[]),
        is_loopback: true,
        tokens: Vec::new(),
        is_read_only: false,
        topics: topics.clone(),
        secret: None,
        own_key: OwnKey::random().map_err(io::Error::other)?,
        tls: None,
        label: Some(LABEL.to_owned()),
    };
    let server = Server::new(board, setup, Limits::default());
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let serve = move || {
        runtime.block_on(async {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => match server.serve(listener).await {},
                Err(error) => tracing::warn!(%error, "the console cannot be served"),
            }
        });
    };
    thread::Builder::new().name("http".to_owned()).spawn(serve)?;
    Ok(address)
}
