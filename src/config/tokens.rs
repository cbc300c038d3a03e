//! Who may ask over HTTP, and what: tokens, of which only the hashes are kept.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::hex;

/// What a token allows; each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// States, counts and the audit; no values of events.
    Viewer,
    /// Pauses, resumes, releases, and values of events.
    Operator,
    /// Purges, redrives, every flow at once, forgets, and accepts losses.
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let role = Self::ALL.into_iter().find(|role| role.word() == text);
        role.ok_or_else(|| "there are viewer, operator and admin".to_owned())
    }
}

/// SHA-256 of a token: whoever reads the settings cannot use it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Whoever uses it, in the audit too.
    pub name: String,
    pub role: Role,
    pub hash: Hash,
}

/// Without the hash.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// As it stands in the settings: `NAME:ROLE:SHA256`.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name, self.role.word(), hex::write(&self.hash.0))
    }
}

impl std::str::FromStr for Token {
    type Err = String;

    /// The error quotes nothing but the name: somebody may have written the token itself.
    fn from_str(text: &str) -> Result<Self, String> {
        let [name, role, hash] = text.split(':').collect::<Vec<_>>()[..] else {
            return Err("one of them is not written as NAME:ROLE:SHA256".to_owned());
        };
        let name = Self::checked(name)?;
        let role = role.parse().map_err(|why| format!("the role of `{name}` is unknown: {why}"))?;
        let hash = hex::read(hash).and_then(|bytes| bytes.try_into().ok()).map(Hash);
        let hash = hash.ok_or_else(|| format!("the SHA-256 of `{name}` is not made of 64 hexadecimal digits"))?;
        Ok(Self { name, role, hash })
    }
}

impl Token {
    /// Several, with commas or newlines between.
    ///
    /// # Errors
    /// The first thing that is wrong, without the hashes.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let each = text.split([',', '\n']).map(str::trim).filter(|token| !token.is_empty());
        let tokens: Vec<Self> = each.map(str::parse).collect::<Result<_, _>>()?;
        for (place, token) in tokens.iter().enumerate() {
            if tokens[..place].iter().any(|other| other.name == token.name) {
                return Err(format!("two tokens are named `{}`", token.name));
            }
        }
        Ok(tokens)
    }

    /// Those of a file, which somebody has made to name somebody; behind `#` a line says what it likes.
    ///
    /// # Errors
    /// As [`Token::list`], or there is none.
    pub fn list_in_file(text: &str) -> Result<Vec<Self>, String> {
        let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(before, _)| before));
        let tokens = Self::list(&lines.collect::<Vec<_>>().join("\n"))?;
        if tokens.is_empty() { Err("it names nobody".to_owned()) } else { Ok(tokens) }
    }

    /// The longest name, in bytes.
    pub const MAX_NAME: usize = 64;

    /// Who asks where no token is needed. No token has this name.
    pub const NOBODY: &str = "http";

    /// # Errors
    /// What is wrong with the name.
    pub fn checked(name: &str) -> Result<String, String> {
        let is_of_a_name = |sign: char| sign.is_ascii_alphanumeric() || "-_.@".contains(sign);
        match name.len() {
            1..=Self::MAX_NAME if name == Self::NOBODY => {
                Err(format!("`{name}` is the name of those who need no token; give another one"))
            }
            1..=Self::MAX_NAME if name.chars().all(is_of_a_name) => Ok(name.to_owned()),
            _ => Err(format!("a name has 1 to {} letters, digits or `-_.@`", Self::MAX_NAME)),
        }
    }
}

/// What only the instances know.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl Secret {
    /// `None`: nothing is written there.
    ///
    /// # Errors
    /// It is too short.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        match text.chars().count() {
            0 => Ok(None),
            16.. => Ok(Some(Self(text.to_owned()))),
            _ => Err("it is too short".to_owned()),
        }
    }
}

/// Without it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
