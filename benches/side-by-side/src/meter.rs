//! What a contestant and the broker use while something is measured.

use std::time::Duration;

use crate::Result;
use crate::site::Site;
use crate::usage;

pub struct Meter {
    contestant: u32,
    broker: u32,
    before: (Duration, Duration),
}

/// Since the meter was started.
#[derive(Clone, Copy)]
pub struct Used {
    pub own: Duration,
    pub broker: Duration,
    /// The contestant's largest memory.
    pub peak_mib: f64,
}

impl Meter {
    /// From here on everything counts; the peak of memory too.
    pub fn start(site: &Site, contestant: u32) -> Result<Self> {
        usage::forget_peak(contestant)?;
        let broker = site.broker();
        Ok(Self { contestant, broker, before: (usage::cpu(contestant)?, usage::cpu(broker)?) })
    }

    pub fn read(&self) -> Result<Used> {
        let (own, broker) = self.before;
        Ok(Used {
            own: usage::cpu(self.contestant)?.saturating_sub(own),
            broker: usage::cpu(self.broker)?.saturating_sub(broker),
            peak_mib: usage::mib(usage::peak(self.contestant)?),
        })
    }
}
