//! What the memory of one worker is for. One setting, `memory`, is divided into shares, and each share bounds one thing
//! that waits in memory. Where a share is used up the worker waits: it polls for no more before there is room again. An
//! index for which there is no room is dropped, and made again when it is needed.
//!
//! | share | of the memory | of 256 MiB |
//! | --- | --- | --- |
//! | the events of a turn, and as much again of held events that it passes | an eighth | 32 MiB |
//! | events polled and not taken by a turn yet | a sixteenth | 16 MiB |
//! | held events that drains have read ahead, all of them together | a quarter | 64 MiB |
//! | indexes of replaced events, all of them together | a quarter | 64 MiB |
//! | what each consumer has fetched ahead: of the events, of the queues, of indexes that are behind | a thirty-second | 8 MiB |
//!
//! What is fetched may be twice its share for a moment, and takes far more than its bytes: librdkafka keeps an operation for each
//! record. Twice this share brought no more events a second, and took 17 to 35 MiB more at the peaks of holding and draining 200
//! flows.
//!
//! They are not all used up at once: a turn that is full of events leaves no time for drains. Shares are measured in the
//! bytes of keys, values and headers; what else a record takes is about as much again for a record of 200 bytes. Beside
//! them a worker has what a process has, and its known flows, about 100 bytes each (`max_known_flows`).

/// The memory of one worker, in bytes, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    pub turn: usize,
    pub indexes: usize,
    /// Of each consumer.
    pub fetched: usize,
}

impl Shares {
    /// The least memory that can be divided: a turn has room for one record of the largest size that Kafka takes by default.
    pub const LEAST: usize = 16 * 1024 * 1024;

    /// librdkafka takes no `fetch.max.bytes` below its `message.max.bytes`, a million by default.
    const LEAST_FETCHED: usize = 1024 * 1024;

    #[must_use]
    pub const fn of(memory: usize) -> Self {
        let fetched = if memory / 32 > Self::LEAST_FETCHED { memory / 32 } else { Self::LEAST_FETCHED };
        Self { turn: memory / 8, indexes: memory / 4, fetched }
    }

    /// Events that wait for a turn, while a turn may take so many bytes.
    #[must_use]
    pub const fn carried(turn: usize) -> usize {
        turn / 2
    }

    /// What all drains together read ahead, while a turn may take so many bytes.
    #[must_use]
    pub const fn drains(turn: usize) -> usize {
        turn.saturating_mul(2)
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self::of(256 * 1024 * 1024)
    }
}
