//! `flowgate open`

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Command, Stdio};

use super::Failure;
use crate::config::Settings;

/// Open the console of this machine's gate in a browser, and print where that is
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only print it
    #[arg(long)]
    print: bool,
}

pub fn run(args: &Args, settings: &Settings, out: &mut dyn Write) -> Result<(), Failure> {
    let url = url(settings.http, settings.http_is_tls);
    writeln!(out, "{url}")?;
    if !args.print {
        // Where there is no browser the link has to do.
        let _ =
            Command::new("xdg-open").arg(&url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    }
    Ok(())
}

/// Where the console is, as a browser of this machine reaches it.
pub(super) fn url(http: SocketAddr, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    format!("{scheme}://{}/", reached(http))
}

/// Where HTTP is reached from this machine.
pub(super) fn reached(http: SocketAddr) -> SocketAddr {
    let ip = match http.ip() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(ip, http.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_reached_by_loopback() {
        for (http, expected) in [
            ("127.0.0.1:8714", "http://127.0.0.1:8714/"),
            ("0.0.0.0:1", "http://127.0.0.1:1/"),
            ("[::]:1", "http://[::1]:1/"),
            ("10.1.2.3:80", "http://10.1.2.3:80/"),
        ] {
            assert_eq!(url(http.parse().unwrap(), false), expected);
            assert_eq!(url(http.parse().unwrap(), true), expected.replace("http:", "https:"));
        }
    }
}
