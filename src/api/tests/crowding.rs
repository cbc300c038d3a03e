//! Which connection gives way, and what it does to be spared.

use std::net::IpAddr;

use super::super::connections::{Connections, Place};
use super::super::pulse::{Doing, Pulse};
use super::super::tls::Stream;
use super::super::wire::Wire;
use super::*;

/// A full house, in which whoever is to give way has left at once.
struct House {
    connections: Arc<Connections>,
    inside: Vec<(&'static str, Arc<Pulse>, Place)>,
}

impl House {
    fn new(most: usize) -> Self {
        Self { connections: Connections::new(most, Metrics::new().unwrap()), inside: Vec::new() }
    }

    /// Whom the newcomer replaces.
    fn enter(&mut self, name: &'static str, peer: &str) -> Option<&'static str> {
        let pulse = Arc::new(Pulse::new());
        let place = self.connections.enter(peer.parse::<IpAddr>().unwrap(), Arc::clone(&pulse));
        self.inside.push((name, pulse, place));
        let gone = self.inside.iter().position(|(_, pulse, _)| pulse.beat().doing == Doing::GivingWay)?;
        Some(self.inside.remove(gone).0)
    }

    fn pulse(&self, name: &str) -> &Pulse {
        &self.inside.iter().find(|(of, ..)| *of == name).unwrap().1
    }
}

#[test]
fn whoever_takes_most_robs_only_themselves() {
    let mut house = House::new(4);
    assert_eq!(house.enter("prometheus", "10.0.0.5"), None);
    for name in ["a1", "a2", "a3"] {
        assert_eq!(house.enter(name, "10.0.0.66"), None);
    }
    assert_eq!(house.enter("a4", "10.0.0.66"), Some("a1"));
    assert_eq!(house.enter("probe", "10.0.0.7"), Some("a2"));
    assert_eq!(house.enter("a5", "::ffff:10.0.0.66"), Some("a3"), "the same address, written otherwise");
}

#[test]
fn who_has_a_network_of_addresses_is_one_peer() {
    let mut house = House::new(3);
    house.enter("prometheus", "2001:db8::1");
    house.enter("a1", "2001:db8:66::1");
    house.enter("a2", "2001:db8:66::2");
    assert_eq!(house.enter("a3", "2001:db8:66::3"), Some("a1"));
}

#[test]
fn an_answer_under_way_is_spared_while_somebody_waits() {
    let mut house = House::new(3);
    house.enter("answered", "10.0.0.1");
    house.pulse("answered").asked();
    house.enter("waits", "10.0.0.1");
    house.enter("waits too", "10.0.0.1");
    assert_eq!(house.enter("1", "10.0.0.1"), Some("waits"));
    // It has waited anew since its answer.
    let done = house.pulse("answered");
    done.written();
    done.flushed();
    assert_eq!(done.beat().doing, Doing::Idle);
    assert_eq!(house.enter("2", "10.0.0.1"), Some("waits too"));
    for name in ["1", "2", "answered"] {
        house.pulse(name).asked();
    }
    assert_eq!(house.enter("3", "10.0.0.1"), Some("1"), "where all are answered, the longest of them");
}

/// Goal: file handles are given back before more are taken.
#[test]
fn nobody_else_is_accepted_before_one_has_left() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let connections = Connections::new(1, Metrics::new().unwrap());
        let enter = || connections.enter("10.0.0.1".parse().unwrap(), Arc::new(Pulse::new()));
        let (first, _second) = (enter(), enter());
        tokio::select! {
            biased;
            () = connections.settle() => panic!("two are open"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        connections.settle().await;
    });
}

/// Goal: where the rest of an answer would stand nothing else does, though its connection is to give way: it could pass for
/// the rest. Method: hyper's writes before and after, on a socket.
#[test]
fn half_an_answer_is_followed_by_its_rest_or_by_nothing() {
    use std::io::Read as _;
    use std::pin::Pin;

    use tokio::io::AsyncWrite as _;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (pulse, metrics) = (Arc::new(Pulse::new()), Metrics::new().unwrap());
        let mut wire = Wire::new(Stream::Plain(stream), Arc::clone(&pulse), metrics.clone());
        let mut write = async |bytes: &[u8]| {
            std::future::poll_fn(|cx| Pin::new(&mut wire).poll_write(cx, bytes)).await.unwrap();
        };
        pulse.asked();
        write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhal").await;
        pulse.give_way();
        write(b"ves").await;
        drop(wire);
        let mut read = String::new();
        peer.read_to_string(&mut read).unwrap();
        assert!(read.ends_with("\r\n\r\nhalves"), "{read}");
        assert!(metrics.text().contains("http_refused_total{reason=\"malformed\"} 0\n"), "{}", metrics.text());
    });
}
