//! What of librdkafka's settings is about tokens.

use std::collections::BTreeMap;

use crate::outgoing::Trust;

/// Whether this build can ask for tokens.
const IS_BUILT_IN: bool = cfg!(feature = "oidc");

/// Two names of one setting. A secret that stands in a file may be replaced while the gate runs.
pub const CLIENT_SECRETS: [&str; 2] =
    ["sasl.oauthbearer.client.secret", "sasl.oauthbearer.client.credentials.client.secret"];
const CLIENT_IDS: [&str; 2] = ["sasl.oauthbearer.client.id", "sasl.oauthbearer.client.credentials.client.id"];
const METHOD: &str = "sasl.oauthbearer.method";
const URL: &str = "sasl.oauthbearer.token.endpoint.url";
const GRANT: &str = "sasl.oauthbearer.grant.type";
const ASSERTION: &str = "sasl.oauthbearer.assertion.file";
const SCOPE: &str = "sasl.oauthbearer.scope";
const EXTENSIONS: &str = "sasl.oauthbearer.extensions";
const METADATA: &str = "sasl.oauthbearer.metadata.authentication.type";
const MECHANISMS: [&str; 2] = ["sasl.mechanism", "sasl.mechanisms"];
const CA_LOCATION: &str = "https.ca.location";
const CA_PEM: &str = "https.ca.pem";

/// By which the proof of a third party is turned into a token (RFC 7523).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// These are not for librdkafka where the gate asks for the tokens.
pub const OF_OIDC: [&str; 12] = [
    METHOD,
    URL,
    GRANT,
    ASSERTION,
    SCOPE,
    EXTENSIONS,
    CLIENT_SECRETS[0],
    CLIENT_SECRETS[1],
    CLIENT_IDS[0],
    CLIENT_IDS[1],
    CA_LOCATION,
    CA_PEM,
];

/// Where tokens come from.
#[derive(Clone, PartialEq, Eq)]
pub struct Oidc {
    pub url: String,
    pub grant: Grant,
    pub scope: Option<String>,
    /// What the brokers are told beside the token: names and values.
    pub extensions: Vec<(String, String)>,
    /// Whose certificates the provider may show.
    pub authorities: Trust,
}

/// By what we are known to whoever issues tokens.
#[derive(Clone, PartialEq, Eq)]
pub enum Grant {
    ClientCredentials {
        id: String,
        secret: String,
    },
    /// By a file that somebody else keeps fresh, such as Kubernetes' tokens of a service account.
    Assertion {
        file: String,
    },
}

impl Oidc {
    /// By which we are known there.
    pub fn client(&self) -> &str {
        match &self.grant {
            Grant::ClientCredentials { id, .. } => id,
            Grant::Assertion { file } => file,
        }
    }
}

/// What is wrong with a setting: its name, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub name: &'static str,
    pub what: String,
    pub fix: String,
}

/// What is wrong with those of librdkafka's settings that are about tokens.
#[must_use]
pub fn problems(client: &BTreeMap<String, String>) -> Vec<Wrong> {
    read_for(client, IS_BUILT_IN).err().unwrap_or_default()
}

/// Whether the brokers are to be given tokens, by settings that are right.
#[must_use]
pub fn is_used(client: &BTreeMap<String, String>) -> bool {
    read(client).is_ok_and(|oidc| oidc.is_some())
}

/// Where tokens come from; `None`: from nowhere, the brokers want none of them.
///
/// # Errors
/// As [`problems`].
pub fn read(client: &BTreeMap<String, String>) -> Result<Option<Oidc>, Vec<Wrong>> {
    read_for(client, IS_BUILT_IN)
}

fn read_for(client: &BTreeMap<String, String>, is_built_in: bool) -> Result<Option<Oidc>, Vec<Wrong>> {
    let value = |name: &str| client.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let one_of = |names: [&str; 2]| names.into_iter().find_map(value);
    if !one_of(MECHANISMS).is_some_and(|mechanism| mechanism.eq_ignore_ascii_case("OAUTHBEARER")) {
        return Ok(None);
    }
    let wrong = |name, what: &str, fix: &str| Wrong { name, what: what.to_owned(), fix: fix.to_owned() };
    let method = value(METHOD).unwrap_or("default");
    if !method.eq_ignore_ascii_case("oidc") {
        // librdkafka's own tokens for trying things out.
        let is_unsecured = value("enable.sasl.oauthbearer.unsecure.jwt") == Some("true");
        let (what, fix) = ("the mechanism OAUTHBEARER has no tokens without it", "write `oidc`");
        return if is_unsecured { Ok(None) } else { Err(vec![wrong(METHOD, what, fix)]) };
    }
    if !is_built_in {
        let fix = "build with `--features oidc`, or log in by another mechanism";
        return Err(vec![wrong(METHOD, "this build has no OIDC", fix)]);
    }
    let mut problems = Vec::new();
    if value(METADATA).is_some_and(|kind| !kind.eq_ignore_ascii_case("none")) {
        problems.push(wrong(METADATA, "the gate asks a token endpoint alone", "take it away"));
    }
    let of_key = client.keys().filter(|name| name.starts_with("sasl.oauthbearer.assertion.") && *name != ASSERTION);
    problems.extend(of_key.map(|name| Wrong {
        name: "sasl.oauthbearer.assertion.file",
        what: format!("the gate signs no assertions, and `kafka.{name}` is for that"),
        fix: "name the file of an assertion that somebody else signs, or use a client secret".to_owned(),
    }));
    let url = value(URL).unwrap_or_else(|| {
        problems.push(wrong(URL, "it is missing", "write where the provider issues tokens: https://..."));
        ""
    });
    if !url.is_empty() && !["https://", "http://"].iter().any(|start| url.to_ascii_lowercase().starts_with(start)) {
        problems.push(wrong(URL, "it is no URL of HTTP", "write https://..."));
    } else if url.split('/').nth(2).is_some_and(|host| host.contains('@')) {
        problems.push(wrong(URL, "it has a user in it", "write the client's id and secret as settings of their own"));
    }
    let grant = match value(GRANT).unwrap_or("client_credentials") {
        "client_credentials" => {
            let mut needed = |names: [&'static str; 2], fix: &str| {
                one_of(names).map(str::to_owned).unwrap_or_else(|| {
                    problems.push(wrong(names[0], "it is missing", fix));
                    String::new()
                })
            };
            let id = needed(CLIENT_IDS, "write the id by which the provider knows this gate");
            // A newline at its end is the file's, and is gone already: what else is there belongs to it.
            let secret = needed(CLIENT_SECRETS, "name its file in `kafka.sasl.oauthbearer.client.secret.file`");
            Grant::ClientCredentials { id, secret }
        }
        "jwt-bearer" | JWT_BEARER => match value(ASSERTION) {
            Some(file) => Grant::Assertion { file: file.to_owned() },
            None => {
                problems.push(wrong(ASSERTION, "it is missing", "name the file of the assertion"));
                Grant::Assertion { file: String::new() }
            }
        },
        _ => {
            problems.push(wrong(GRANT, "there is no such grant", "write `client_credentials` or `jwt-bearer`"));
            Grant::Assertion { file: String::new() }
        }
    };
    let extensions = extensions(value(EXTENSIONS).unwrap_or_default()).unwrap_or_else(|what| {
        problems.push(wrong(EXTENSIONS, what, "write NAME=VALUE, with commas between; names are letters"));
        Vec::new()
    });
    let authorities = match (value(CA_LOCATION), value(CA_PEM)) {
        (Some(_), Some(_)) => {
            problems.push(wrong(CA_LOCATION, "`kafka.https.ca.pem` is given too", "take one of the two away"));
            Trust::System
        }
        (None | Some("probe"), None) => Trust::System,
        (Some(path), None) => Trust::Path(path.into()),
        (None, Some(text)) => Trust::Pem(text.to_owned()),
    };
    let scope = value(SCOPE).map(str::to_owned);
    let read = Oidc { url: url.to_owned(), grant, scope, extensions, authorities };
    if problems.is_empty() { Ok(Some(read)) } else { Err(problems) }
}

fn extensions(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let (name, value) = pair.split_once('=').ok_or("there is no `=` in one of them")?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic()) && name != "auth";
        let is_value = value.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        if is_name && is_value {
            Ok((name.to_owned(), value.to_owned()))
        } else {
            Err("a name or a value has characters that brokers refuse")
        }
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let all = [
            ("sasl.mechanism", "OAUTHBEARER"),
            (METHOD, "oidc"),
            (URL, "https://id.example/token"),
            (CLIENT_IDS[0], "gate"),
            (CLIENT_SECRETS[0], "s"),
        ];
        let given = all.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut given: BTreeMap<String, String> = given.collect();
        given.retain(|_, value| value != "-");
        given
    }

    fn wrong(more: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let read = read_for(&settings(more), true);
        read.err().unwrap_or_default().into_iter().map(|wrong| (wrong.name, wrong.what)).collect()
    }

    #[test]
    fn what_is_given_is_read() {
        let more = [(SCOPE, "kafka"), (EXTENSIONS, "logicalCluster=lkc-1, poolId=p"), (CA_LOCATION, "/ca.crt")];
        let oidc = read_for(&settings(&more), true).ok().flatten().unwrap();
        assert!(oidc.grant == Grant::ClientCredentials { id: "gate".to_owned(), secret: "s".to_owned() });
        assert_eq!((oidc.url.as_str(), oidc.scope.as_deref()), ("https://id.example/token", Some("kafka")));
        assert_eq!(oidc.extensions[1], ("poolId".to_owned(), "p".to_owned()));
        assert!(oidc.authorities == Trust::Path("/ca.crt".into()));
        let by_file = [(GRANT, "jwt-bearer"), (ASSERTION, "/t"), (CLIENT_IDS[0], "-"), (CLIENT_SECRETS[0], "-")];
        let oidc = read_for(&settings(&by_file), true).ok().flatten().unwrap();
        assert!(oidc.grant == Grant::Assertion { file: "/t".to_owned() });
        // Other mechanisms, and the tokens for trying things out, are librdkafka's own.
        for more in [("sasl.mechanism", "PLAIN"), ("sasl.mechanism", "-")] {
            assert!(read_for(&settings(&[more]), false) == Ok(None));
        }
        let unsecured = [(METHOD, "-"), ("enable.sasl.oauthbearer.unsecure.jwt", "true")];
        assert!(read_for(&settings(&unsecured), false) == Ok(None));
    }

    #[test]
    fn what_is_wrong_is_told_by_name() {
        let rows: [(&[(&str, &str)], &str); 11] = [
            (&[(METHOD, "-")], METHOD),
            (&[(URL, "-")], URL),
            (&[(URL, "ldap://x")], URL),
            (&[(URL, "https://gate:s@id.example/token")], URL),
            (&[(CLIENT_IDS[0], "-")], CLIENT_IDS[0]),
            (&[(CLIENT_SECRETS[0], " ")], CLIENT_SECRETS[0]),
            (&[(GRANT, "password")], GRANT),
            (&[(GRANT, "jwt-bearer")], ASSERTION),
            (&[("sasl.oauthbearer.assertion.private.key.file", "/k")], ASSERTION),
            (&[(METADATA, "azure_imds")], METADATA),
            (&[(EXTENSIONS, "auth=x")], EXTENSIONS),
        ];
        for (more, name) in rows {
            let found = wrong(more);
            assert!(found.len() == 1 && found[0].0 == name, "{more:?}: {found:?}");
        }
        assert_eq!(wrong(&[(URL, "-"), (CLIENT_IDS[0], "-")]).len(), 2);
        let both = wrong(&[(CA_LOCATION, "/ca.crt"), (CA_PEM, "x")]);
        assert_eq!(both[0].0, CA_LOCATION);
    }

    #[test]
    fn a_build_without_it_says_how_to_get_it() {
        let wrong = read_for(&settings(&[]), false).err().unwrap();
        assert_eq!((wrong[0].name, wrong[0].what.as_str()), (METHOD, "this build has no OIDC"));
        assert!(wrong[0].fix.contains("--features oidc"));
    }
}
