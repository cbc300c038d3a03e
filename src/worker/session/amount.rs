//! How much of something there is.

/// How much of something there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub entries: usize,
    pub bytes: usize,
}

impl Amount {
    pub fn times(self, factor: usize) -> Self {
        Self { entries: self.entries.saturating_mul(factor), bytes: self.bytes.saturating_mul(factor) }
    }

    pub fn min(self, other: Self) -> Self {
        Self { entries: self.entries.min(other.entries), bytes: self.bytes.min(other.bytes) }
    }

    pub fn max(self, other: Self) -> Self {
        Self { entries: self.entries.max(other.entries), bytes: self.bytes.max(other.bytes) }
    }

    /// What so many of its entries are, if they are as large as the others.
    pub fn first(self, entries: usize) -> Self {
        match self.entries <= entries {
            true => self,
            false => Self { entries, bytes: self.bytes / self.entries * entries },
        }
    }

    /// What of `whole` is missing here.
    pub fn missing_of(self, whole: Self) -> Self {
        Self { entries: whole.entries.saturating_sub(self.entries), bytes: whole.bytes.saturating_sub(self.bytes) }
    }

    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// Whether it is as much as `most`, in entries or in bytes.
    pub fn reaches(self, most: Self) -> bool {
        self.entries >= most.entries || self.bytes >= most.bytes
    }

    pub fn and(self, other: Self) -> Self {
        Self { entries: self.entries.saturating_add(other.entries), bytes: self.bytes.saturating_add(other.bytes) }
    }
}
