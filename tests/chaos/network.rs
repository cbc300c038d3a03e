//! Faults of the network between gates and brokers: the proxy's.

use std::time::Duration;

use crate::inject::Chaos;
use crate::proxy::Swallow;
use crate::server::cluster::NODES;

impl Chaos {
    pub fn delay(&mut self) -> bool {
        let before = self.proxy.delayed();
        self.proxy.delay(Duration::from_millis(10 + self.dice.below(150)));
        std::thread::sleep(Duration::from_secs(2));
        self.dice.moment(Duration::from_secs(3));
        self.proxy.delay(Duration::ZERO);
        self.proxy.delayed() > before
    }

    pub fn cut(&mut self) -> bool {
        let mut cut = 0;
        for _ in 0..4 {
            let node = self.dice.below(NODES as u64 + 1) as usize;
            // Sometimes all of them at once.
            let nodes = if node == NODES { 0..NODES } else { node..node + 1 };
            cut += nodes.map(|node| self.proxy.cut(node)).sum::<usize>();
            self.dice.moment(Duration::from_millis(800));
        }
        cut > 0
    }

    pub fn swallow(&mut self, what: Swallow) -> bool {
        let before = self.proxy.swallowed();
        self.proxy.swallow(what);
        let proxy = std::sync::Arc::clone(&self.proxy);
        let happened = self.fleet.within(Duration::from_secs(30), |_| proxy.swallowed() > before);
        self.proxy.swallow_nothing();
        happened
    }
}
