//! How much of an instance HTTP may take: nobody who asks, in whatever way, may hold up the gate's work or whoever else
//! asks.

use std::time::Duration;

/// Constants, because no operator has to know them; a value, because tests cannot wait so long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open at once, of all peers together. The process may have file handles for fewer.
    pub connections: usize,
    /// From the first byte of a request, or from the connecting, to the end of its headers. Where TLS is spoken the connecting ends with
    /// its handshake, which may take as long.
    pub headers: Duration,
    /// From the end of the headers to the end of the body.
    pub body: Duration,
    /// From the end of the headers until the peer's side has taken the last byte of the answer; of one that is streamed, the
    /// longest time in which it takes nothing.
    pub answer: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// Of the request line and the headers together; hyper takes no less than 8 KiB.
    pub header_bytes: usize,
    pub body_bytes: usize,
    /// In which a stream of events says nothing: then it sends a comment, so that who is in between keeps it open.
    pub silence: Duration,
    /// After nothing could be accepted, until it is tried again.
    pub pause: Duration,
    /// How long who has logged in stays so.
    pub lasts: Lasts,
}

/// How long sessions of browsers last.
#[derive(Clone, Copy, Debug)]
pub struct Lasts {
    /// A cookie: so long is one taken that was copied before its session was ended on another instance.
    pub cookie: Duration,
    /// A session, however often it has got a new cookie.
    pub login: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Two Prometheus servers, some probes, and a dozen browsers that open six each. What they ask for with 128
            // answers of a thousand flows each under way is memory that a small container has.
            connections: 128,
            // A request is one packet: this is some retransmissions long.
            headers: Duration::from_secs(5),
            body: Duration::from_secs(5),
            // The longest page of flows is about a megabyte: a line of 300 kbit/s is fast enough.
            answer: Duration::from_secs(30),
            // Prometheus asks once a minute where it asks seldom, on the connection that it has.
            idle: Duration::from_secs(90),
            // A browser's cookies of everything on `localhost`, and room to spare.
            header_bytes: 16 * 1024,
            // Some hundred commands.
            body_bytes: 64 * 1024,
            // nginx cuts after 60 s of nothing, some clouds' balancers after 20.
            silence: Duration::from_secs(15),
            pause: Duration::from_millis(100),
            // Who looks at a page, or has it open, asks more often; and a day's work.
            lasts: Lasts { cookie: Duration::from_secs(15 * 60), login: Duration::from_secs(12 * 60 * 60) },
        }
    }
}
