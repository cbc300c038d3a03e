//! What a connection is doing, and since when: its limits of time and who gives way depend on it.

use tokio::sync::watch;
use tokio::time::Instant;

use super::Limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Between two requests.
    Idle,
    /// A request has begun, or the connection has.
    Asking,
    /// The headers of a request were read. `written`: its whole answer is in hyper's buffer.
    Answering { written: bool },
    /// It is to be closed: another one takes its place.
    GivingWay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beat {
    pub doing: Doing,
    pub since: Instant,
}

impl Beat {
    /// When it will have taken too long.
    pub fn end(self, limits: &Limits) -> Instant {
        self.since
            + match self.doing {
                Doing::Idle => limits.idle,
                Doing::Asking => limits.headers,
                Doing::Answering { .. } => limits.answer,
                Doing::GivingWay => return self.since,
            }
    }
}

/// Told by whoever sees bytes pass, heard by the connection's task and by those who look for one to close.
pub(super) struct Pulse(watch::Sender<Beat>);

impl Pulse {
    pub fn new() -> Self {
        Self(watch::Sender::new(Beat { doing: Doing::Asking, since: Instant::now() }))
    }

    pub fn beat(&self) -> Beat {
        *self.0.borrow()
    }

    pub fn listen(&self) -> watch::Receiver<Beat> {
        self.0.subscribe()
    }

    /// Bytes have come in. Those behind a request that is being answered are its body, or the next request's: both
    /// have the time of the answer.
    pub fn heard(&self) {
        self.change(|doing| (doing == Doing::Idle).then_some(Doing::Asking));
    }

    /// The headers of a request are complete.
    pub fn asked(&self) {
        self.change(|_| Some(Doing::Answering { written: false }));
    }

    /// hyper has taken the last piece of an answer. The time runs on until the peer has it.
    pub fn written(&self) {
        self.0.send_if_modified(|beat| {
            let answers = beat.doing == Doing::Answering { written: false };
            if answers {
                beat.doing = Doing::Answering { written: true };
            }
            answers
        });
    }

    /// The socket has taken everything that was to be sent.
    pub fn flushed(&self) {
        self.change(|doing| (doing == Doing::Answering { written: true }).then_some(Doing::Idle));
    }

    pub fn give_way(&self) {
        self.change(|_| Some(Doing::GivingWay));
    }

    /// Whoever gives way does nothing else any more.
    fn change(&self, next: impl FnOnce(Doing) -> Option<Doing>) {
        self.0.send_if_modified(|beat| match next(beat.doing).filter(|_| beat.doing != Doing::GivingWay) {
            Some(doing) => {
                *beat = Beat { doing, since: Instant::now() };
                true
            }
            None => false,
        });
    }
}
