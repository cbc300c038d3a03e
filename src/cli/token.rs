//! `flowgate token create NAME --role viewer|operator|admin`

use std::io::Write;

use clap::Subcommand;

use super::{Failure, exit};
use crate::config::{Hash, Role, Token};
use crate::hex;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token for HTTP: it is shown once, and the settings get its hash alone
    Create {
        /// Who uses it: what they order stands in the audit under this name
        #[arg(value_parser = Token::checked)]
        name: String,
        /// What it allows: `viewer` sees states, counts and the audit; `operator` pauses, resumes and releases single flows too,
        /// and sees events; `admin` may do everything: purge, redrive, accept losses, forget, and order for every flow
        #[arg(long)]
        role: Role,
    },
}

/// Bytes of a token: nobody guesses it.
const BYTES: usize = 32;

pub fn run(command: &Command, out: &mut dyn Write) -> Result<(), Failure> {
    let Command::Create { name, role } = command;
    let mut random = [0; BYTES];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::new(exit::OTHER, format!("no random bytes can be had: {error}")))?;
    // So that whoever finds one knows what it opens.
    let text = format!("flowgate_{}", hex::write(&random));
    let token = Token { name: name.clone(), role: *role, hash: Hash::of(&text) };
    writeln!(out, "The token of `{name}`, which is shown this once:\n\n  {text}\n")?;
    writeln!(
        out,
        "For flowgate.toml of every instance; of several tokens it is a list:\n\n  http_tokens = [\"{token}\"]\n"
    )?;
    writeln!(
        out,
        "Or a line of the file that `http_tokens_file` names, which may change while gates run:\n\n  {token}\n"
    )?;
    writeln!(out, "It is sent as `Authorization: Bearer ...`.")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Settings, Sources};

    #[test]
    fn the_line_that_is_printed_makes_the_token_known() {
        let made = || {
            let mut out = Vec::new();
            run(&Command::Create { name: "ci".to_owned(), role: Role::Operator }, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let told = made();
        let text = told.lines().find_map(|line| line.trim().strip_prefix("flowgate_")).unwrap();
        let line = told.lines().find(|line| line.contains("http_tokens =")).unwrap();
        let origin = crate::config::Origin::File("flowgate.toml".to_owned());
        let settings = Settings::load(&Sources::new().with_text(line.trim(), &origin)).unwrap();
        let [token] = settings.http_tokens.as_slice() else { panic!("{settings:?}") };
        assert_eq!((token.name.as_str(), token.role), ("ci", Role::Operator));
        assert!(token.hash == Hash::of(&format!("flowgate_{text}")));
        assert_ne!(told, made());
    }
}
