//! What happened, line by line: for people, and to compare runs.

/// Lines are only made when somebody wants to read them.
#[derive(Clone, Debug, Default)]
pub struct Trace(Option<String>);

impl Trace {
    #[must_use]
    pub fn on() -> Self {
        Self(Some(String::new()))
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    pub fn line(&mut self, line: &str) {
        if let Some(text) = &mut self.0 {
            text.push_str(line);
            text.push('\n');
        }
    }

    #[must_use]
    pub fn text(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}
