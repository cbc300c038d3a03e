//! Who may do what: the one place that knows.
//!
//! - Whoever sends a token, as `Authorization: Bearer` or by the session that it was exchanged for, has its role.
//! - On a loopback address without tokens in the settings everybody is an admin, named `http`: who reaches that address has the
//!   machine. On any other address nobody is let in without a token.
//! - `/metrics`, `/livez` and `/readyz` are not asked about here (`probes.rs`).
//!
//! A path needs the role of a viewer, or asks for more: [`Caller::needs`].

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, StatusCode, header};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;

use super::Problem;
use super::allowance::{Allowances, Scan};
use super::cross_site::Proof;
use super::session::{Ending, Session, Sessions};
use crate::clock;
use crate::config::{Hash, Role, Token};
use crate::flow::{Action, Command, Target};

/// Who is let in, and how much of the gate each of them may take.
pub(super) struct Access {
    tokens: watch::Sender<Arc<[Token]>>,
    /// Without tokens everybody is let in, else nobody.
    is_open: bool,
    pub is_read_only: bool,
    pub sessions: Sessions,
    allowances: Allowances,
}

/// Who asks.
#[derive(Clone)]
pub(super) struct Caller {
    /// As it stands in the audit.
    pub name: Arc<str>,
    pub role: Role,
    /// No command is taken of anybody.
    pub is_read_only: bool,
    /// What let them in, itself or by a session; `None` where no token is needed.
    token: Option<Token>,
    session: Option<Arc<Session>>,
    /// Which secret has signed that.
    secret: u64,
    /// They are to have a new cookie of it.
    is_renewed: bool,
    access: Arc<Access>,
}

impl Access {
    pub fn new(tokens: Vec<Token>, is_loopback: bool, is_read_only: bool, sessions: Sessions) -> Self {
        let is_open = is_loopback && tokens.is_empty();
        let tokens = watch::Sender::new(tokens.into());
        Self { tokens, is_open, is_read_only, sessions, allowances: Allowances::default() }
    }

    /// Others may ask from now on. Whoever came by a token that is not among them, or by a session of it, has to end. That it is open
    /// to everybody never begins while it is served.
    pub fn replace(&self, tokens: Vec<Token>) {
        self.tokens.send_replace(tokens.into());
    }

    fn tokens(&self) -> Arc<[Token]> {
        Arc::clone(&self.tokens.borrow())
    }

    /// The token, in a time that does not tell which or how much of it is right.
    pub fn known(&self, text: &str) -> Option<Token> {
        let hash = Hash::of(text);
        let mut found = None;
        for token in &*self.tokens() {
            if bool::from(token.hash.0.ct_eq(&hash.0)) {
                found = Some(token.clone());
            }
        }
        found
    }

    /// Waits until this token is known no more, or has another role.
    async fn lost(&self, token: &Token) {
        // It only ends early if nobody is let in any more.
        let _ = self.tokens.subscribe().wait_for(|tokens| !tokens.contains(token)).await;
    }

    fn caller(self: &Arc<Self>, name: &str, role: Role) -> Caller {
        let (is_read_only, access, secret) = (self.is_read_only, Arc::clone(self), self.sessions.secret());
        Caller { name: name.into(), role, is_read_only, token: None, session: None, secret, is_renewed: false, access }
    }

    fn caller_with(self: &Arc<Self>, token: Token) -> Caller {
        Caller { token: Some(token.clone()), ..self.caller(&token.name, token.role) }
    }

    /// Who asks, and whether a browser may have added that by itself.
    pub fn identify(self: &Arc<Self>, headers: &HeaderMap) -> Result<(Caller, Proof), Problem> {
        if self.is_open {
            return Ok((self.caller(Token::NOBODY, Role::Admin), Proof::NotNeeded));
        }
        if let Some(sent) = headers.get(header::AUTHORIZATION) {
            let bearer = sent.to_str().ok().and_then(|text| text.split_once(' '));
            let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let token = bearer.and_then(|(_, token)| self.known(token.trim())).ok_or_else(|| {
                unauthorized("the token in `Authorization` is not known; send `Bearer` and one of `http_tokens`")
            })?;
            return Ok((self.caller_with(token), Proof::NotNeeded));
        }
        let (tokens, secret) = (self.tokens(), self.sessions.secret());
        if let Some((session, token)) = self.sessions.open(headers, &tokens) {
            let renewed = self.sessions.renewed(&session, clock::now());
            let is_renewed = renewed.is_some();
            let session = Some(Arc::new(renewed.unwrap_or(session)));
            return Ok((Caller { session, secret, is_renewed, ..self.caller_with(token.clone()) }, Proof::Needed));
        }
        Err(unauthorized(match tokens.is_empty() {
            true => {
                "no tokens are set, and this is no loopback address; `flowgate token create` makes one for `http_tokens`"
            }
            false => "send a token as `Authorization: Bearer ...`, or log in by `POST /api/v1/session`",
        }))
    }
}

impl Caller {
    /// # Errors
    /// 403, naming the role that it takes.
    pub fn needs(&self, role: Role, what: &str) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        let (needed, has) = (role.word(), self.role.word());
        let detail = format!("{what} takes the role `{needed}`, and `{}` is `{has}`", self.name);
        let problem = Problem::new(StatusCode::FORBIDDEN, "role-too-low", detail);
        Err(problem.with("needs", needed.into()).with("role", has.into()))
    }

    /// Whether these commands may be given, and that many now.
    ///
    /// # Errors
    /// 403 for the role, or where nobody may; 429 for too many.
    pub fn may_order(&self, commands: &[Command]) -> Result<(), Problem> {
        for command in commands {
            self.may_give(&command.target, &command.action)?;
        }
        self.access.allowances.take_commands(&self.name, commands.len(), Instant::now())
    }

    /// Whether such a command may be given by them, however many.
    ///
    /// # Errors
    /// 403 for the role, or where nobody may.
    pub fn may_give(&self, target: &Target, action: &Action) -> Result<(), Problem> {
        self.may_change()?;
        let (role, what) = role_for(target, action);
        self.needs(role, &what)
    }

    /// Whether letters may be redriven by them.
    ///
    /// # Errors
    /// As [`Caller::may_order`].
    pub fn may_redrive(&self) -> Result<(), Problem> {
        self.may_change()?;
        self.needs(Role::Admin, "redriving letters")?;
        self.access.allowances.take_commands(&self.name, 1, Instant::now())
    }

    fn may_change(&self) -> Result<(), Problem> {
        match self.is_read_only {
            false => Ok(()),
            true => {
                let detail = "this gate takes no commands over HTTP (`http_read_only`); use `flowgate` or another gate";
                Err(Problem::new(StatusCode::FORBIDDEN, "read-only", detail))
            }
        }
    }

    /// The session whose new cookie they are to have.
    pub fn renewed(&self) -> Option<&Session> {
        self.session.as_deref().filter(|_| self.is_renewed && self.secret == self.access.sessions.secret())
    }

    /// Waits until what they have opened, and what goes on by itself, has to end. A token is good until it is taken away.
    pub async fn ends(&self) -> Ending {
        let over = async {
            match &self.session {
                Some(session) => self.access.sessions.over(session, self.secret).await,
                None => std::future::pending().await,
            }
        };
        let Some(token) = &self.token else { return over.await };
        tokio::select! {
            biased;
            () = self.access.lost(token) => Ending::Revoked,
            ending = over => ending,
        }
    }

    /// Begins something that reads topics for its answer; it counts until what is returned is dropped.
    ///
    /// # Errors
    /// 429 if this caller has enough of them under way.
    pub fn scan(&self) -> Result<Scan, Problem> {
        self.access.allowances.scan(&self.name)
    }
}

/// The role that a command takes, and how it is called.
fn role_for(target: &Target, action: &Action) -> (Role, String) {
    let word = action.word();
    let role = match action {
        Action::Pause(_) | Action::Resume(_) | Action::Release(_) => Role::Operator,
        Action::Purge(_) | Action::AcceptLoss(_) | Action::Forget | Action::Invalid { .. } => Role::Admin,
    };
    match target {
        Target::Flow(_) => (role, format!("`{word}`")),
        Target::Every => (Role::Admin, format!("`{word}` of every flow")),
    }
}

pub(super) fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}
