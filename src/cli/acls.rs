//! `flowgate acls [ROLE...]`

use std::io::Write;

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::{Value, json};

use super::output::json_list;
use super::{Failure, exit};
use crate::broker::Broker;
use crate::config::Settings;
use crate::legible::legible;
use crate::topics::acls::{Acl, Needs, Resource, Role, missing, some_queue};

/// Print the least ACLs that each role needs, or ask the brokers which of them are missing
///
/// A role is whoever has a user of the cluster: `gate` (flowgate run), `setup` (topics create and check, positions restore), `viewer`,
/// `operator`, `admin` (who redrives, too), `upstream` (sends events), `executor` (takes what is delivered). They are those of
/// the settings in force: prefix, and whether HTTP is read-only.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// gate, setup, viewer, operator, admin, upstream, executor [default: all of them]
    roles: Vec<Role>,
    /// Who gets them [default: User:flowgate-ROLE]
    #[arg(long, value_name = "TYPE:NAME", value_parser = principal)]
    principal: Option<String>,
    /// The consumer group of the executors [default: PREFIX-executor]
    #[arg(long, value_name = "GROUP", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    group: Option<String>,
    /// For `kafka-acls`: the file with the settings of a user who may give rights
    #[arg(long, value_name = "FILE")]
    command_config: Option<String>,
    /// For Strimzi: the name of the Kafka resource
    #[arg(long, value_name = "NAME", default_value = "kafka")]
    cluster: String,
    /// Ask the brokers instead which of them the user of these settings lacks: exit code 1 if there is one
    #[arg(long, conflicts_with = "principal")]
    pub check: bool,
    /// How to show it
    #[arg(long = "output", short = 'o', value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for a shell, of Kafka's own command (`kafka-acls.sh` in Apache's archive)
    #[default]
    KafkaAcls,
    /// KafkaUser resources of Strimzi, without how the user authenticates
    Strimzi,
    Json,
}

/// As Kafka's tools take it: `User:name`.
fn principal(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(text.to_owned()),
        _ => Err("write the type and the name, such as User:flowgate".to_owned()),
    }
}

/// The ACLs of one role, and who gets them.
struct Granted {
    role: Role,
    principal: String,
    acls: Vec<Acl>,
}

impl Args {
    fn roles(&self) -> &[Role] {
        if self.roles.is_empty() { &Role::ALL } else { &self.roles }
    }

    fn granted(&self, settings: &Settings) -> Vec<Granted> {
        let usual = format!("{}-executor", settings.topics.prefix);
        let executors = self.group.as_deref().unwrap_or(&usual);
        let needs = Needs { topics: &settings.topics, is_read_only: settings.http_read_only, executors };
        let granted = |role: &Role| Granted {
            role: *role,
            principal: self.principal.clone().unwrap_or_else(|| format!("User:flowgate-{}", role.word())),
            acls: role.acls(&needs),
        };
        self.roles().iter().map(granted).collect()
    }

    /// Prints them. Asks nobody.
    ///
    /// # Errors
    /// Of the output.
    pub fn print(&self, settings: &Settings, out: &mut dyn Write) -> Result<(), Failure> {
        if self.format == Format::Strimzi && self.principal.is_some() && self.roles().len() > 1 {
            let what = "Strimzi has one resource for a user, and these are several roles";
            return Err(Failure::new(exit::CONFIGURATION, what).hint("take one role, or leave `--principal` away"));
        }
        let all = self.granted(settings);
        self.write(&all, &settings.brokers, out)
    }

    /// Asks the brokers what is missing.
    ///
    /// # Errors
    /// [`exit::OTHER`] if something is; else of the broker or of the output.
    pub fn look<B: Broker>(&self, broker: &B, settings: &Settings, out: &mut dyn Write) -> Result<(), Failure> {
        if self.roles.is_empty() {
            let what = "`--check` asks for the user of these settings, who has one role";
            return Err(Failure::new(exit::CONFIGURATION, what).hint("name it: `flowgate acls gate --check`"));
        }
        let mut admin = broker.admin()?;
        let queue = some_queue(&mut admin, &settings.topics)?;
        let mut lacking = Vec::new();
        for granted in self.granted(settings) {
            let acls = missing(&mut admin, &granted.acls, queue.as_deref())?;
            if !acls.is_empty() {
                lacking.push(Granted { acls, ..granted });
            }
        }
        if lacking.is_empty() {
            if self.format != Format::Json {
                writeln!(
                    out,
                    "# nothing is missing, as far as the brokers tell: not of transactional ids and the cluster"
                )?;
                return Ok(());
            }
            return self.write(&lacking, &settings.brokers, out);
        }
        self.write(&lacking, &settings.brokers, out)?;
        let count: usize = lacking.iter().flat_map(|granted| &granted.acls).map(|acl| acl.operations.len()).sum();
        let what = if count == 1 { "1 right is missing".to_owned() } else { format!("{count} rights are missing") };
        let hint = "whoever may give rights runs the lines above; where the user has another name: `flowgate acls ROLE --principal TYPE:NAME`";
        Err(Failure::new(exit::OTHER, what).hint(hint))
    }

    fn write(&self, all: &[Granted], brokers: &str, out: &mut dyn Write) -> Result<(), Failure> {
        match self.format {
            Format::KafkaAcls => all.iter().try_for_each(|one| self.lines(one, brokers, out)),
            Format::Strimzi => all.iter().try_for_each(|one| self.strimzi(one, out)),
            Format::Json => json_list(out, all.iter().flat_map(Granted::documents)),
        }
    }

    /// Lines for a shell. Of a line the comment before it says what it is for.
    fn lines(
        &self,
        Granted { role, principal, acls }: &Granted,
        brokers: &str,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        writeln!(out, "# {}", role.word())?;
        for acl in acls {
            let mut words = vec!["kafka-acls".to_owned(), "--bootstrap-server".to_owned(), quoted(brokers)];
            if let Some(file) = &self.command_config {
                words.extend(["--command-config".to_owned(), quoted(file)]);
            }
            words.extend(["--add".to_owned(), "--allow-principal".to_owned(), quoted(principal)]);
            words.extend(acl.words().flat_map(|word| ["--operation".to_owned(), word.to_owned()]));
            words.extend(named(acl));
            writeln!(out, "{}  # {}", words.join(" "), acl.why)?;
        }
        Ok(())
    }

    fn strimzi(&self, Granted { principal, acls, .. }: &Granted, out: &mut dyn Write) -> Result<(), Failure> {
        let name = principal.split_once(':').map_or(principal.as_str(), |(_, name)| name);
        writeln!(out, "---\napiVersion: kafka.strimzi.io/v1\nkind: KafkaUser\nmetadata:")?;
        writeln!(out, "  name: {}\n  labels:\n    strimzi.io/cluster: {}", yaml(name), yaml(&self.cluster))?;
        writeln!(out, "spec:\n  authorization:\n    type: simple\n    acls:")?;
        for acl in acls {
            let kind = match acl.resource {
                Resource::Topic => "topic",
                Resource::Group => "group",
                Resource::TransactionalId => "transactionalId",
                Resource::Cluster => "cluster",
            };
            writeln!(out, "      # {}", acl.why)?;
            match acl.resource {
                Resource::Cluster => writeln!(out, "      - resource: {{type: {kind}}}")?,
                _ => {
                    let pattern = if acl.is_prefix { "prefix" } else { "literal" };
                    let name = yaml(&acl.name);
                    writeln!(out, "      - resource: {{type: {kind}, name: {name}, patternType: {pattern}}}")?;
                }
            }
            writeln!(out, "        operations: [{}]", acl.words().collect::<Vec<_>>().join(", "))?;
        }
        Ok(())
    }
}

impl Granted {
    fn documents(&self) -> impl Iterator<Item = Value> {
        self.acls.iter().map(|acl| {
            let resource = match acl.resource {
                Resource::Topic => "TOPIC",
                Resource::Group => "GROUP",
                Resource::TransactionalId => "TRANSACTIONAL_ID",
                Resource::Cluster => "CLUSTER",
            };
            json!({
                "role": self.role.word(), "principal": self.principal, "resource_type": resource, "resource_name": acl.name,
                "pattern_type": if acl.is_prefix { "PREFIXED" } else { "LITERAL" }, "operations": acl.words().collect::<Vec<_>>(), "why": acl.why,
            })
        })
    }
}

/// The resource, as options of `kafka-acls`.
fn named(acl: &Acl) -> Vec<String> {
    let option = match acl.resource {
        Resource::Topic => "--topic",
        Resource::Group => "--group",
        Resource::TransactionalId => "--transactional-id",
        Resource::Cluster => return vec!["--cluster".to_owned()],
    };
    let mut words = vec![option.to_owned(), quoted(&acl.name)];
    if acl.is_prefix {
        words.extend(["--resource-pattern-type".to_owned(), "prefixed".to_owned()]);
    }
    words
}

/// For a shell.
fn quoted(text: &str) -> String {
    let text = legible(text);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-:,/=@".contains(c);
    match text.chars().all(is_plain) && !text.is_empty() {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A text in YAML, which JSON is too.
fn yaml(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if is_plain
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str())
    {
        return text.to_owned();
    }
    Value::from(text).to_string()
}
