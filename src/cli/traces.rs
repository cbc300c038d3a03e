//! Traces of a gate, where the settings name a collector.

use std::time::Duration;

use super::Failure;
#[cfg(feature = "otlp")]
use super::exit;
use crate::config::Settings;
use crate::instance::Board;

#[cfg(feature = "otlp")]
pub use with::Tracing;
#[cfg(not(feature = "otlp"))]
pub use without::Tracing;

#[cfg(feature = "otlp")]
mod with {
    use super::*;
    use crate::config::Pairs;
    use crate::otlp::{Collector, Exporter, Headers, Names};

    /// What sends spans, if anything does.
    #[derive(Clone, Default)]
    pub struct Tracing {
        exporter: Option<Exporter>,
        headers: Headers,
    }

    impl Tracing {
        /// # Errors
        /// The CAs cannot be used, or there is no thread left.
        pub fn start(settings: &Settings, board: &Board) -> Result<Self, Failure> {
            let Some(otlp) = &settings.otlp else { return Ok(Self::default()) };
            let headers = Headers::default();
            headers.replace(otlp.headers.0.clone());
            let names = Names {
                instance: settings.instance.clone(),
                prefix: settings.topics.prefix.clone(),
                group: settings.topics.group.clone(),
                control: settings.topics.control.clone(),
                resource: otlp.resource.0.clone(),
            };
            let collector = Collector::new(&otlp.url, headers.clone(), otlp.ca.clone()).map_err(|why| {
                Failure::new(exit::CONFIGURATION, format!("no spans can be sent to {}: {why}", otlp.url))
                    .hint("`otlp.ca_file` names the CAs of the collector's certificate")
            })?;
            let exporter = Exporter::start(collector, names, board.metrics.clone());
            let exporter =
                exporter.map_err(|error| Failure::new(exit::OTHER, format!("no thread can be started: {error}")))?;
            board.trace_with(Box::new(exporter.clone()));
            tracing::info!(url = otlp.url, "spans of traces are sent");
            Ok(Self { exporter: Some(exporter), headers })
        }

        /// Headers of a file that has changed.
        pub fn replace_headers(&self, headers: Pairs) {
            self.headers.replace(headers.0);
        }

        /// Sends what there is. Blocks, for so long at most.
        pub fn flush(&self, limit: Duration) {
            self.exporter.iter().for_each(|exporter| exporter.flush(limit));
        }
    }
}

#[cfg(not(feature = "otlp"))]
mod without {
    use super::*;
    use crate::config::Pairs;

    /// Nothing: the settings refuse a collector in this build.
    #[derive(Clone, Default)]
    pub struct Tracing;

    impl Tracing {
        pub fn start(_: &Settings, _: &Board) -> Result<Self, Failure> {
            Ok(Self)
        }

        pub fn replace_headers(&self, _: Pairs) {}

        pub fn flush(&self, _: Duration) {}
    }
}
