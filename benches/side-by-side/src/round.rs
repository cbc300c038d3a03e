//! One contestant's turn in one case.

use crate::case::{Case, Kind};
use crate::contestant::Contestant;
use crate::figures::Figures;
use crate::site::Site;
use crate::{
    Result, beside, cost, every, footprint, known, latency, memory, pause, restart, rolling, scans, takeover,
    throughput, timers,
};

pub fn run(site: &mut Site, case: Case, contestant: &Contestant) -> Result<Figures> {
    let topics = site.topics()?;
    let measure = match case.kind {
        Kind::Live | Kind::Hold | Kind::Drain => throughput::measure,
        Kind::Latency => latency::measure,
        Kind::Pause => pause::measure,
        Kind::Restart | Kind::Rebuilt => restart::measure,
        Kind::Timers => timers::measure,
        Kind::Beside => beside::measure,
        Kind::Scans => scans::measure,
        Kind::Known => known::measure,
        Kind::Memory | Kind::Repeats => memory::measure,
        Kind::Cost => cost::measure,
        Kind::Footprint => footprint::measure,
        Kind::Every => every::measure,
        Kind::Takeover => takeover::measure,
        Kind::Rolling => rolling::measure,
    };
    let figures = measure(site, case, contestant, &topics);
    site.delete(&topics)?;
    figures
}
