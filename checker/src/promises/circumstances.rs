//! What no topic says, and whoever asks has to tell.

/// What the checker cannot read from the topics.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// How far the clocks of two gates may have been apart, in milliseconds, where they decided about a deadline.
    pub clocks_apart_ms: i64,
    /// How far the clock of a gate was from the broker's at most, in milliseconds, whatever it decided.
    pub clock_off_ms: i64,
    /// How long a turn that holds took at most, in milliseconds, from the poll for its commands to its commit; with it,
    /// how long a reader took to see what had been recorded.
    pub turn_ms: i64,
    /// The longest pause, in milliseconds, that any gate allowed.
    pub max_pause_ms: i64,
    /// The longest pause, in milliseconds, that every gate allowed.
    pub least_max_pause_ms: i64,
    /// `None`: replaced timestamps are not judged.
    pub retention: Option<Retention>,
    /// Every public state there ever was is in the log: the cleaner has taken none.
    pub every_state: bool,
}

/// For how long topics keep records, in milliseconds; `None`: for ever.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    pub records_ms: Option<i64>,
    pub enrollments_ms: Option<i64>,
}
