//! Stands between the gates and every broker: forwards whole frames of Kafka's protocol, and on demand delays them, cuts
//! connections, or swallows the request or the answer that ends a transaction.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::server::cluster::NODES;

/// Which request ends a transaction.
const END_TXN: i16 = 26;

/// What is swallowed of the next request that ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swallow {
    /// The broker never sees the request; else the client never sees the answer.
    pub request: bool,
    /// The connection is cut with it; else it just stays silent.
    pub cut: bool,
}

#[derive(Default)]
struct Shared {
    /// Where the node listens for gates.
    ports: Mutex<[u16; NODES]>,
    /// Milliseconds that each frame waits, in each direction.
    delay: AtomicU64,
    swallow: Mutex<Option<Swallow>>,
    swallowed: AtomicU64,
    delayed: AtomicU64,
    /// Both ends of each connection, and the node.
    connections: Mutex<Vec<(usize, [TcpStream; 2])>>,
}

pub struct Proxy {
    shared: Arc<Shared>,
    ports: [u16; NODES],
}

impl Proxy {
    pub fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let ports = std::array::from_fn(|node| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    shared.connect(node, client);
                }
            });
            port
        });
        Self { shared, ports }
    }

    /// Where gates have to look for the brokers.
    pub fn ports(&self) -> [u16; NODES] {
        self.ports
    }

    pub fn brokers(&self) -> String {
        self.ports.map(|port| format!("127.0.0.1:{port}")).join(",")
    }

    /// Where what comes for a node goes to.
    pub fn forward_to(&self, ports: [u16; NODES]) {
        *self.shared.ports.lock().unwrap() = ports;
    }

    /// Every frame waits that long, from now on.
    pub fn delay(&self, time: Duration) {
        self.shared.delay.store(time.as_millis() as u64, Ordering::Relaxed);
    }

    /// How many frames have waited.
    pub fn delayed(&self) -> u64 {
        self.shared.delayed.load(Ordering::Relaxed)
    }

    /// Cuts every connection to a node: how many there were.
    pub fn cut(&self, node: usize) -> usize {
        let mut connections = self.shared.connections.lock().unwrap();
        let of_node = connections.extract_if(.., |(of, _)| *of == node);
        of_node.map(|(_, ends)| ends.iter().for_each(close)).count()
    }

    /// Swallows the next request that ends a transaction, or its answer.
    pub fn swallow(&self, what: Swallow) {
        *self.shared.swallow.lock().unwrap() = Some(what);
    }

    /// Swallows nothing any more.
    pub fn swallow_nothing(&self) {
        *self.shared.swallow.lock().unwrap() = None;
    }

    /// How often something was swallowed.
    pub fn swallowed(&self) -> u64 {
        self.shared.swallowed.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, node: usize, client: TcpStream) {
        let port = self.ports.lock().unwrap()[node];
        // A node that is down refuses: so does its proxy, by closing.
        let Ok(broker) = TcpStream::connect(("127.0.0.1", port)) else { return };
        let (Ok(to_broker), Ok(to_client)) = (broker.try_clone(), client.try_clone()) else { return };
        let _ = (client.set_nodelay(true), broker.set_nodelay(true));
        if let (Ok(one), Ok(other)) = (client.try_clone(), broker.try_clone()) {
            let mut connections = self.connections.lock().unwrap();
            connections.retain(|(_, [client, _])| client.peer_addr().is_ok());
            connections.push((node, [one, other]));
        }
        let answers = Arc::<Mutex<HashSet<[u8; 4]>>>::default();
        let silenced = Arc::<Mutex<Option<Swallow>>>::default();
        let requests = Pump { shared: Arc::clone(self), swallow: Arc::clone(&silenced), answers: Arc::clone(&answers) };
        let responses = Pump { shared: Arc::clone(self), swallow: silenced, answers };
        thread::spawn(move || requests.run(client, to_broker, Pump::request));
        thread::spawn(move || responses.run(broker, to_client, Pump::answer));
    }

    fn wait(&self) {
        let delay = self.delay.load(Ordering::Relaxed);
        if delay > 0 {
            self.delayed.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(delay));
        }
    }
}

/// What becomes of a frame.
enum Verdict {
    Forward,
    Drop,
    Cut,
}

/// One direction of one connection.
struct Pump {
    shared: Arc<Shared>,
    /// What to do about the answers that are to be swallowed.
    swallow: Arc<Mutex<Option<Swallow>>>,
    /// Correlation ids of those.
    answers: Arc<Mutex<HashSet<[u8; 4]>>>,
}

impl Pump {
    fn run(self, mut from: TcpStream, mut to: TcpStream, judge: impl Fn(&Self, &[u8]) -> Verdict) {
        while let Ok(frame) = read_frame(&mut from) {
            self.shared.wait();
            let go_on = match judge(&self, &frame[4..]) {
                Verdict::Forward => to.write_all(&frame).is_ok(),
                Verdict::Drop => true,
                Verdict::Cut => false,
            };
            if !go_on {
                break;
            }
        }
        close(&from);
        close(&to);
    }

    /// A request: its key (2), its version (2), its correlation id (4).
    fn request(&self, frame: &[u8]) -> Verdict {
        let (Some(key), Some(id)) = (frame.first_chunk(), frame[4.min(frame.len())..].first_chunk()) else {
            return Verdict::Forward;
        };
        if i16::from_be_bytes(*key) != END_TXN {
            return Verdict::Forward;
        }
        let Some(swallow) = self.shared.swallow.lock().unwrap().take() else { return Verdict::Forward };
        if !swallow.request {
            *self.swallow.lock().unwrap() = Some(swallow);
            self.answers.lock().unwrap().insert(*id);
            return Verdict::Forward;
        }
        self.swallowed(swallow)
    }

    /// An answer: its correlation id (4).
    fn answer(&self, frame: &[u8]) -> Verdict {
        match frame.first_chunk().is_some_and(|id| self.answers.lock().unwrap().remove(id)) {
            false => Verdict::Forward,
            true => {
                let swallow = self.swallow.lock().unwrap().take();
                swallow.map_or(Verdict::Forward, |swallow| self.swallowed(swallow))
            }
        }
    }

    fn swallowed(&self, swallow: Swallow) -> Verdict {
        self.shared.swallowed.fetch_add(1, Ordering::Relaxed);
        if swallow.cut { Verdict::Cut } else { Verdict::Drop }
    }
}

/// A frame with the four bytes of its size before it.
fn read_frame(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    const LARGEST: usize = 200_000_000;
    let mut frame = vec![0; 4];
    from.read_exact(&mut frame)?;
    let size = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
    if size > LARGEST {
        return Err(ErrorKind::InvalidData.into());
    }
    frame.resize(4 + size, 0);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}

fn close(stream: &TcpStream) {
    // It may be closed already, by the other side.
    let _ = stream.shutdown(Shutdown::Both);
}
