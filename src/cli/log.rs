//! Logs of a process, on standard error: standard output is for what was asked for.

use std::fmt;
use std::io::IsTerminal as _;

use tracing::field::Field;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

use crate::config::LogFormat;
use crate::legible::legible;

/// Starts to log.
pub fn log(format: LogFormat, level: &str) {
    // Below that `ureq` tells what it sends and gets, bytes and all: secrets and tokens.
    let filter = tracing_subscriber::EnvFilter::builder().parse_lossy(format!("{level},ureq=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second one in a process is no reason to fail: the first goes on.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(coloured()).fmt_fields(fields()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// Colours are for terminals, and not for people who have set `NO_COLOR`.
fn coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
}

/// One event is one line, whatever strangers have written into its fields. JSON needs no such care.
fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        let value = format!("{value:?}");
        match field.name() {
            // Where a line of the crate `log` comes from is told in front of it.
            name if name.starts_with("log.") => Ok(()),
            "message" => write!(writer, "{}", legible(&value)),
            name => write!(writer, " {}={}", name.strip_prefix("r#").unwrap_or(name), legible(&value)),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Goal: nobody forges a line of the log. Method: the fields and messages that the gate logs, with a flow id of which a
    /// newline and an escape sequence are a part.
    #[test]
    fn an_event_is_one_line_without_escapes() {
        let lines = Lines::default();
        let writer = lines.clone();
        let builder = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        tracing::subscriber::with_default(builder.fmt_fields(fields()).finish(), || {
            let (flow, number) = ("a\n\u{1b}[2J\u{202e}", 3);
            tracing::error!(%flow, reason = flow, text = ?flow, number, "a flow is blocked: {flow}");
            tracing::warn!(error = %std::io::Error::other(flow), "looking again");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        assert!(
            text.contains("a flow is blocked: a\\n\\u{1b}[2J\\u{202e} flow=a\\n\\u{1b}[2J\\u{202e} reason="),
            "{text}"
        );
        assert!(text.contains(" number=3") && text.contains("looking again error=a\\n"), "{text}");
    }
}
