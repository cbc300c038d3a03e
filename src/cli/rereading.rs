//! What a gate does when the files of its settings change while it runs. Where nothing can be done it says so.

use std::path::PathBuf;
use std::thread;

use super::Failure;
use super::connect::LOGIN;
use super::reread::{EVERY, Watched};
use super::spawn::spawn;
use super::traces::Tracing;
use crate::api::{Certificates, Keys};
use crate::broker::kafka::{Kafka, oidc};
use crate::clock;
use crate::config::{Fingerprint, NamedFile, Pair, Pairs, ReadFile, Secret, Settings, Tls, Token, WrongFile};
use crate::metrics::Metrics;

/// Files whose paths librdkafka is given. It reads them when a client is made.
const OF_CLIENTS: [&str; 5] =
    ["ssl.ca.location", "ssl.certificate.location", "ssl.crl.location", "ssl.key.location", "ssl.keystore.location"];

/// What changes with the files.
pub struct Changing {
    pub kafka: Kafka,
    pub keys: Keys,
    pub certificates: Option<Certificates>,
    pub metrics: Metrics,
    pub tracing: Tracing,
}

/// Looks at the files of the settings from here on, on a thread of its own: a disk that hangs holds up nobody else.
pub fn watch(settings: &Settings, changing: &Changing) -> Result<(), Failure> {
    let mut watched = watched(settings, changing);
    if watched.is_empty() {
        return Ok(());
    }
    let metrics = changing.metrics.clone();
    spawn("files", move || {
        loop {
            thread::sleep(EVERY);
            watched.iter_mut().for_each(Watched::look);
            metrics.refused_files(watched.iter().filter(|watched| watched.is_refused()).count());
        }
    })
}

fn watched(settings: &Settings, changing: &Changing) -> Vec<Watched> {
    let tls = settings.http_tls.as_ref().zip(changing.certificates.clone());
    let tls = tls.map(|(tls, certificates)| of_tls(tls, certificates, &changing.metrics));
    let tokens = settings.http_tokens_file.as_ref().map(|file| of_tokens(file, &changing.keys));
    let secret = settings.http_secret_file.as_ref().map(|file| of_secret(file, &changing.keys));
    let login = of_login(settings, &changing.kafka);
    let of_issuer = |name: &str| oidc::CLIENT_SECRETS.contains(&name) && oidc::is_used(&settings.kafka.0);
    let issuer = settings.kafka_files.iter().filter(|(name, _)| of_issuer(name));
    let issuer = issuer.map(|(_, read)| of_client_secret(read, &changing.kafka));
    let others = settings.kafka_files.iter().filter(|(name, _)| !LOGIN.contains(&name.as_str()) && !of_issuer(name));
    let others = others.map(|(_, read)| of_clients(read.file.clone(), read.fingerprint.clone()));
    let located = OF_CLIENTS.iter().filter_map(|name| {
        let file = NamedFile { field: format!("kafka.{name}"), path: PathBuf::from(settings.kafka.0.get(*name)?) };
        // A file that cannot be read is for librdkafka to refuse.
        let held = Fingerprint::of(&file.read().ok()?);
        Some(of_clients(file, held))
    });
    let headers = settings.otlp.as_ref().and_then(|otlp| otlp.headers_file.as_ref());
    let headers = headers.map(|file| of_headers(file, &changing.tracing));
    [tls, tokens, secret, login, headers].into_iter().flatten().chain(issuer).chain(others).chain(located).collect()
}

fn of_tls(tls: &Tls, certificates: Certificates, metrics: &Metrics) -> Watched {
    let (files, metrics) = (tls.files.clone(), metrics.clone());
    let [certificate, key] = tls.fingerprints.clone();
    let seen = vec![(files.certificate.clone(), certificate), (files.key.clone(), key)];
    Watched::new(seen, move |contents| {
        let [certificate, key] = contents else { return Ok(()) };
        let pair = files.pair([certificate, key]);
        let pair = pair.map_err(|WrongFile { field, what, fix }| format!("`{field}`: {what}; {fix}"))?;
        certificates.replace(pair.server.clone());
        shows(&pair, &metrics);
        Ok(())
    })
}

/// HTTP shows this certificate from now on.
pub fn shows(pair: &Pair, metrics: &Metrics) {
    metrics.http_certificate_ends(pair.ends);
    if let Some(ends) = pair.ends.filter(|ends| *ends <= clock::now()) {
        tracing::warn!(%ends, "the certificate of HTTP has ended: clients refuse it; put a new one into `http_tls_certificate`");
    }
}

fn of_tokens(read: &ReadFile, keys: &Keys) -> Watched {
    let keys = keys.clone();
    of_text(read, move |text| {
        keys.replace_tokens(Token::list_in_file(text)?);
        Ok(())
    })
}

fn of_secret(read: &ReadFile, keys: &Keys) -> Watched {
    let keys = keys.clone();
    of_text(read, move |text| {
        Secret::read(text)?.iter().for_each(|secret| keys.replace_secret(secret));
        Ok(())
    })
}

/// By which a collector knows us.
fn of_headers(read: &ReadFile, tracing: &Tracing) -> Watched {
    let tracing = tracing.clone();
    of_text(read, move |text| {
        tracing.replace_headers(Pairs::lines(text)?);
        Ok(())
    })
}

fn of_text(read: &ReadFile, mut take: impl FnMut(&str) -> Result<(), String> + Send + 'static) -> Watched {
    let file = read.file.clone();
    Watched::new(vec![(file.clone(), read.fingerprint.clone())], move |contents| {
        contents.iter().try_for_each(|contents| take(&file.text(contents)?))
    })
}

/// User and password of the brokers, as far as they stand in files.
fn of_login(settings: &Settings, kafka: &Kafka) -> Option<Watched> {
    let read: Vec<(usize, ReadFile)> = LOGIN
        .iter()
        .enumerate()
        .filter_map(|(place, name)| Some((place, settings.kafka_files.get(*name)?.clone())))
        .collect();
    let mut login = LOGIN.map(|name| settings.kafka.0.get(name).cloned().unwrap_or_default());
    let seen: Vec<_> = read.iter().map(|(_, read)| (read.file.clone(), read.fingerprint.clone())).collect();
    let kafka = kafka.clone();
    (!read.is_empty()).then(|| {
        Watched::new(seen, move |contents| {
            for ((place, read), contents) in read.iter().zip(contents) {
                login[*place] = read.file.text(contents)?;
            }
            kafka.set_login(&login[0], &login[1]).map_err(|error| error.to_string())
        })
    })
}

/// By which we are known to whoever issues tokens.
fn of_client_secret(read: &ReadFile, kafka: &Kafka) -> Watched {
    let kafka = kafka.clone();
    of_text(read, move |text| {
        kafka.set_client_secret(text);
        Ok(())
    })
}

fn of_clients(file: NamedFile, held: Fingerprint) -> Watched {
    let (field, path) = (file.field.clone(), file.path.clone());
    Watched::new(vec![(file, held)], move |_| {
        tracing::warn!(
            setting = field,
            file = %path.display(),
            "a file has changed that clients of the brokers read at their start: restart this gate, in its turn, for them to use it"
        );
        Ok(())
    })
}
