//! Where in a trace an event or a command comes from: the header `traceparent` (W3C Trace Context), as its sender wrote it. It stays
//! with the event, unchanged.

use std::fmt;

use crate::broker::Header;
use crate::hex;

/// The name of the header, of records and of HTTP.
pub const HEADER: &str = "traceparent";

/// A span of somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    /// Whoever began the trace wants it recorded.
    pub is_sampled: bool,
}

impl TraceParent {
    /// What the last header of that name says; `None`: there is none, or it is malformed, and not believed.
    #[must_use]
    pub fn of(headers: &[Header]) -> Option<Self> {
        let header = headers.iter().rev().find(|header| header.name == HEADER.as_bytes())?;
        Self::read(header.value.as_ref()?)
    }

    /// `00-TRACE-SPAN-FLAGS`. A later version may append more behind a `-`.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        let parts: [&[u8]; 4] = [value.get(..2)?, value.get(3..35)?, value.get(36..52)?, value.get(53..55)?];
        let has_dashes = [2, 35, 52].iter().all(|at| value[*at] == b'-');
        let more_is_allowed = parts[0] != b"00" && value.get(55) == Some(&b'-');
        if !has_dashes || parts[0] == b"ff" || value.len() > 55 && !more_is_allowed {
            return None;
        }
        // Upper case is not allowed.
        let is_lower = |part: &&[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !parts.iter().all(is_lower) {
            return None;
        }
        let [_, trace_id, span_id, flags] = parts.map(|part| hex::read(std::str::from_utf8(part).unwrap_or_default()));
        let trace_id: [u8; 16] = trace_id?.try_into().ok()?;
        let span_id: [u8; 8] = span_id?.try_into().ok()?;
        let is_sampled = flags?.first()? & 1 == 1;
        let is_valid = trace_id != [0; 16] && span_id != [0; 8];
        is_valid.then_some(Self { trace_id, span_id, is_sampled })
    }
}

/// As the header has it.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [trace_id, span_id] = [hex::write(&self.trace_id), hex::write(&self.span_id)];
        write!(f, "00-{trace_id}-{span_id}-0{}", u8::from(self.is_sampled))
    }
}

/// Which traces are recorded: those that whoever began them wants recorded, and of these a share that is decided by their ids, so that
/// everybody with the same share records the same ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampling {
    /// Of 2^63; 0: none.
    below: u64,
}

impl Sampling {
    /// Of all that are sampled, from 0 to 1.
    #[must_use]
    pub fn share(share: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "it lies between 0 and 2^63"
        )]
        let below = (share.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
        Self { below }
    }

    #[must_use]
    pub fn is_none(self) -> bool {
        self.below == 0
    }

    /// The parent of an event or a command, if its trace is recorded.
    #[must_use]
    pub fn of(self, headers: &[Header]) -> Option<TraceParent> {
        if self.is_none() {
            return None;
        }
        TraceParent::of(headers).filter(|parent| self.takes(parent))
    }

    fn takes(self, parent: &TraceParent) -> bool {
        let low = parent.trace_id[8..].iter().fold(0_u64, |low, byte| (low << 8) | u64::from(*byte));
        parent.is_sampled && low >> 1 < self.below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_well_formed_is_read_and_nothing_else() {
        let parent = TraceParent::read(GOOD.as_bytes()).unwrap();
        assert_eq!((parent.trace_id[0], parent.span_id[7], parent.is_sampled), (0x4b, 0xb7, true));
        assert_eq!(parent.to_string(), GOOD);
        assert!(!TraceParent::read(GOOD.replace("-01", "-00").as_bytes()).unwrap().is_sampled);
        for later in ["cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", &GOOD.replace("00-4", "01-4")] {
            assert_eq!(TraceParent::read(later.as_bytes()), Some(parent), "{later}");
        }
        let zeros =
            ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"].map(|id| GOOD.replace(id, &"0".repeat(id.len())));
        let bad = [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-more"),
            &format!("{GOOD} "),
            &GOOD.to_uppercase(),
            &GOOD.replace("00-4", "ff-4"),
            &GOOD.replace('-', "_"),
            &GOOD.replace("4bf9", "4bg9"),
            &zeros[0],
            &zeros[1],
        ];
        for text in bad {
            assert_eq!(TraceParent::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_last_header_of_the_name_counts() {
        let other = GOOD.replace("b7-01", "b8-01");
        let header = |value: &str| Header::new(HEADER, value.to_owned());
        let read = |headers: &[Header]| TraceParent::of(headers).map(|parent| parent.span_id[7]);
        assert_eq!(read(&[header(GOOD), header(&other), Header::new("x", "y")]), Some(0xb8));
        assert_eq!(read(&[header(GOOD), header("broken")]), None);
        assert_eq!(read(&[Header { name: HEADER.into(), value: None }]), None);
    }

    #[test]
    fn a_share_of_what_is_sampled_is_recorded() {
        let of = |low: u8, is_sampled| TraceParent { trace_id: [low; 16], span_id: [1; 8], is_sampled };
        let takes = |share: f64, low| Sampling::share(share).takes(&of(low, true));
        assert!(takes(1.0, 0xff) && takes(1.0, 1) && takes(0.5, 0x7f) && !takes(0.5, 0x80) && !takes(0.0, 1));
        assert!(!Sampling::share(1.0).takes(&of(1, false)));
        assert!(Sampling::default().is_none() && !Sampling::share(0.001).is_none());
    }
}
