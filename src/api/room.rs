//! Room for work that takes long, of all callers: so much at once, and whoever finds none waits for a moment.
//!
//! It is done on threads of its own, and ends by itself even if whoever asked has gone.

use std::thread;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::timeout;

use super::Problem;

/// How long one waits for its turn.
const WAIT: Duration = Duration::from_secs(5);

/// For answers that look at every flow: each keeps a core busy, and a million flows take a good part of a second.
pub(super) static WALKS: Room = Room::new(2, "look at every flow");

/// For answers that read topics: each has a client of the brokers, and what that fetches ahead. They give way to the workers.
/// One more than a single caller may have ([`super::allowance`]).
pub(super) static READS: Room = Room { gives_way: true, ..Room::new(3, "read topics") };

/// For redrives that write. They do not give way: whoever reads the enrollments, the workers too, waits for the end of their
/// transactions.
pub(super) static REDRIVES: Room = Room::new(1, "redrive letters");

/// Places to work in: permits, so many at once.
pub(super) struct Room {
    places: Semaphore,
    wait: Duration,
    gives_way: bool,
    what: &'static str,
}

impl Room {
    const fn new(places: usize, what: &'static str) -> Self {
        Self { places: Semaphore::const_new(places), wait: WAIT, gives_way: false, what }
    }

    /// # Errors
    /// 503: no place became free in time.
    pub async fn enter(&'static self) -> Result<SemaphorePermit<'static>, Problem> {
        timeout(self.wait, self.places.acquire()).await.ok().and_then(Result::ok).ok_or_else(|| {
            let detail = format!("too many others {} just now; try again in a moment", self.what);
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(1)
        })
    }

    /// Does it once there is room.
    ///
    /// # Errors
    /// As [`Room::enter`].
    pub async fn work<T: Send + 'static>(
        &'static self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let place = self.enter().await?;
        let (tell, told) = oneshot::channel();
        let work = move || {
            if self.gives_way {
                give_way();
            }
            let done = work();
            drop(place);
            // Whoever asked may have gone.
            let _ = tell.send(done);
        };
        thread::Builder::new().name("http-work".to_owned()).spawn(work).map_err(|_| Problem::internal())?;
        told.await.map_err(|_| Problem::internal())
    }
}

/// From now on this thread, and those that it starts (its clients' too), get little of a processor that others want: a tenth of what
/// they would get.
fn give_way() {
    // Elsewhere than on Linux that is the whole process' priority. It is refused to nobody, and if it were, all would work.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[tokio::test]
    async fn who_finds_no_room_waits_for_a_moment_and_is_told() {
        static ROOM: Room = Room::new(1, "measure");
        static FULL: Room = Room { wait: Duration::from_millis(1), ..Room::new(1, "measure") };
        let _for_good = FULL.enter().await.unwrap();
        let refused = FULL.work(|| ()).await.unwrap_err().into_response();
        assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "1"));
        let place = ROOM.enter().await.unwrap();
        let waits = tokio::spawn(ROOM.work(|| 7));
        tokio::task::yield_now().await;
        drop(place);
        assert_eq!(waits.await.unwrap().unwrap(), 7);
        assert_eq!(ROOM.places.available_permits(), 1);
    }
}
