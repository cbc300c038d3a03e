//! What a connection is doing, and since when: its limits of time and who gives way depend on it.

use tokio::sync::watch;
use tokio::time::Instant;

use super::Limits;

/// Marks an answer that may go on for as long as the peer reads it, among the answer's extensions.
#[derive(Clone, Copy)]
pub(super) struct Streamed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// TLS has not begun to carry requests.
    Greeting,
    /// Between two requests.
    Idle,
    /// A request has begun, or the connection has.
    Asking,
    /// The headers of a request were read. `written`: its whole answer is in hyper's buffer.
    Answering { written: bool },
    /// An answer is under way that may go on for as long as the peer reads it.
    Streaming,
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
                Doing::Greeting | Doing::Asking => limits.headers,
                Doing::Answering { .. } | Doing::Streaming => limits.answer,
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

    /// TLS comes first.
    pub fn greets(&self) {
        self.change(|_| Some(Doing::Greeting));
    }

    /// TLS carries requests now: the first of them has as much time as on a connection without it.
    pub fn greeted(&self) {
        self.change(|doing| (doing == Doing::Greeting).then_some(Doing::Asking));
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

    /// The answer is one that is written as long as it is read.
    pub fn streams(&self) {
        self.change(|doing| matches!(doing, Doing::Answering { .. }).then_some(Doing::Streaming));
    }

    /// The socket has taken something. Of an answer that is streamed the time begins again: so it lasts as long as its
    /// peer reads it, and ends when it does not. What is written seldom says something in between.
    pub fn moved(&self) {
        self.change(|doing| (doing == Doing::Streaming).then_some(Doing::Streaming));
    }

    /// hyper has taken the last piece of an answer. The time runs on until the peer has it.
    pub fn written(&self) {
        self.0.send_if_modified(|beat| {
            let answers = matches!(beat.doing, Doing::Answering { written: false } | Doing::Streaming);
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
