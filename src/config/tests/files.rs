//! Values that stand in files of their own.

use std::path::Path;

use super::super::Hash;
use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A file with these contents, and its path.
    fn with(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, contents).unwrap();
        shown(&path)
    }
}

fn shown(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn secrets_are_read_from_files_without_the_newline_at_their_end() {
    let folder = Folder::new();
    let password = folder.with("password", "hunter2 \r\n");
    let user = folder.with("user", "gate");
    let (hash, secret) = ("0123456789abcdef".repeat(4), folder.with("secret", "0123456789abcdef\n"));
    let tokens = folder.with("tokens", format!("# who may ask\nci:operator:{hash} # builds\n\nops:admin:{hash}\n"));
    let written = format!("http_tokens_file = '{tokens}'\n[kafka]\nsasl.username.file = '{user}'\n");
    let sources = text(&written).with_environment(environment(&[
        ("FLOWGATE_KAFKA__SASL_PASSWORD_FILE", password.as_str()),
        ("FLOWGATE_HTTP_SECRET_FILE", secret.as_str()),
        // What is empty is not given.
        ("FLOWGATE_HTTP_TLS_KEY", ""),
    ]));
    let settings = Settings::load(&sources).unwrap();
    assert_eq!(settings.kafka.0["sasl.password"], "hunter2 ");
    assert_eq!(settings.kafka.0["sasl.username"], "gate");
    assert_eq!(settings.kafka_files["sasl.password"].file.path, Path::new(&password));
    assert!(settings.http_secret.is_some() && settings.http_secret_file.is_some() && settings.http_tls.is_none());
    let names: Vec<_> = settings.http_tokens.iter().map(|token| token.name.as_str()).collect();
    assert_eq!(names, ["ci", "ops"]);
    assert!(settings.http_tokens[0].hash == Hash([1u8, 35, 69, 103, 137, 171, 205, 239].repeat(4).try_into().unwrap()));
    let printed = printed(&sources);
    assert!(!printed.contains("hunter2") && !printed.contains("0123456789abcdef"), "{printed}");
    assert!(printed.contains(&format!("kafka.sasl.password.file={password} FLOWGATE_KAFKA__SASL_PASSWORD_FILE")));
    // A path is no secret.
    let flag = Sources::new().with_assignment(&format!("kafka.sasl.password.file={password}"));
    assert_eq!(Settings::load(&flag).unwrap().kafka.0["sasl.password"], "hunter2 ");
}

/// A row a problem: what is written, and what the sentence has to say (the field, what is wrong, the fix).
#[test]
fn each_problem_with_a_file_names_the_field_the_file_and_the_fix() {
    let folder = Folder::new();
    let (empty, blank, binary) =
        (folder.with("empty", ""), folder.with("blank", "\n\n"), folder.with("binary", b"\xff\xfe"));
    let (nul, nobody, short) =
        (folder.with("nul", "a\0b"), folder.with("nobody", "# nobody\n"), folder.with("short", "abc"));
    let (large, fine) = (folder.with("large", vec![b'x'; (1 << 20) + 1]), folder.with("fine", "hunter2"));
    let (gone, directory) = (shown(&folder.0.path().join("gone")), shown(folder.0.path()));
    let kafka = |file: &str| format!("[kafka]\nsasl.password.file = '{file}'\n");
    let rows = [
        (kafka(&gone), ["`kafka.sasl.password.file`", &gone, "cannot be read", "this user can read"]),
        (kafka(&empty), ["`kafka.sasl.password.file`", &empty, "is empty", "with the value in it"]),
        (kafka(&blank), ["`kafka.sasl.password.file`", &blank, "is empty", "with the value in it"]),
        (kafka(&binary), ["`kafka.sasl.password.file`", &binary, "holds no UTF-8", "with the value in it"]),
        (kafka(&nul), ["`kafka.sasl.password.file`", &nul, "NUL byte", "with the value in it"]),
        (kafka(&large), ["`kafka.sasl.password.file`", &large, "larger than 1 MiB", "with the value in it"]),
        (kafka(&directory), ["`kafka.sasl.password.file`", &directory, "is no file", "with the value in it"]),
        (kafka("/dev/zero"), ["`kafka.sasl.password.file`", "/dev/zero", "is no file", "with the value in it"]),
        (kafka("hunter2"), ["`kafka.sasl.password.file`", "it is no path", "not told", "beginning with `/`"]),
        (
            format!("[kafka]\nclient.id.file = '{fine}'\n"),
            ["`kafka.client.id.file`", "only secrets", "`sasl.username`", "write `kafka.client.id` itself"],
        ),
        (
            format!("[kafka]\n'sasl.password' = 'x'\n'sasl.password.file' = '{fine}'\n"),
            ["`kafka.sasl.password.file`", "`kafka.sasl.password` is given too", "take one", "away"],
        ),
        (
            format!("[kafka]\nsasl.pasword.file = '{fine}'\n"),
            ["`kafka.sasl.pasword.file`", "no such setting", "did you mean", "`kafka.sasl.password.file`"],
        ),
        (format!("http_tokens_file = '{gone}'"), ["`http_tokens_file`", &gone, "cannot be read", "this user can read"]),
        (format!("http_tokens_file = '{nobody}'"), ["`http_tokens_file`", &nobody, "names nobody", "token create"]),
        (format!("http_tokens_file = '{fine}'"), ["`http_tokens_file`", &fine, "NAME:ROLE:SHA256", "token create"]),
        (
            format!("http_tokens = 'a:viewer:{}'\nhttp_tokens_file = '{fine}'", "0".repeat(64)),
            ["`http_tokens_file`", "`http_tokens` is given too", "take one", "away"],
        ),
        (format!("http_secret_file = '{short}'"), ["`http_secret_file`", &short, "too short", "16 characters"]),
    ];
    for (written, says) in rows {
        let found = problems(&text(&written));
        assert_eq!(found.len(), 1, "{written}: {found:?}");
        assert!(says.iter().all(|part| found[0].contains(part)), "{written}: {found:?}");
        assert!(!printed(&text(&written)).contains("hunter2"), "{written}");
    }
    // All of them at once.
    let all = format!("{}http_secret_file = 'hunter2'\n", "http_tokens_file = '/gone'\nworkers = 0\n");
    assert_eq!(problems(&text(&format!("{all}{}", kafka(&empty)))).len(), 4);
}

/// A pipe that nobody writes to would have the process wait without end.
#[test]
fn a_pipe_is_no_file() {
    let folder = Folder::new();
    let pipe = shown(&folder.0.path().join("pipe"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let found = problems(&text(&format!("http_secret_file = '{pipe}'")));
    assert!(found[0].contains(&format!("`{pipe}` is no file")), "{found:?}");
}

#[test]
fn a_certificate_and_its_key_are_checked_together() {
    let folder = Folder::new();
    certificates::make(folder.0.path());
    let path = |name: &str| shown(&folder.0.path().join(name));
    let read = |name: &str| std::fs::read(folder.0.path().join(name)).unwrap();
    let both = |certificate: &str, key: &str| {
        text(&format!("http_tls_certificate = '{certificate}'\nhttp_tls_key = '{key}'\n"))
    };
    let (certificate, key) = (path("server.crt"), path("server.key"));
    let settings = Settings::load(&both(&certificate, &key)).unwrap();
    let left = settings.http_tls.unwrap().pair.ends.unwrap().since(crate::clock::now());
    assert!((Duration::from_secs(86_400)..Duration::from_secs(3 * 86_400)).contains(&left), "{left:?}");
    // One file may have both, as brokers want it.
    Settings::load(&both(&path("server.pem"), &path("server.pem"))).unwrap();

    let half = folder.with("half.crt", &read("server.crt")[..200]);
    let torn = folder.with("torn.key", &read("server.key")[..100]);
    let nonsense =
        folder.with("nonsense.crt", "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n");
    let rows = [
        (both(&half, &key), ["`http_tls_certificate`", &half, "no PEM, or was cut off", "the chain"]),
        (both(&key, &key), ["`http_tls_certificate`", &key, "holds no certificate", "the chain"]),
        (both(&nonsense, &key), ["`http_tls_certificate`", &nonsense, "cannot be used", "the chain"]),
        (both("/gone", &key), ["`http_tls_certificate`", "/gone", "cannot be read", "the chain"]),
        (both(&certificate, &torn), ["`http_tls_key`", &torn, "no private key", "not encrypted"]),
        (both(&certificate, &certificate), ["`http_tls_key`", &certificate, "no private key", "not encrypted"]),
        (both(&certificate, &path("client.key")), ["`http_tls_key`", "client.key", "does not belong", "made for"]),
        (both(&certificate, "hunter2"), ["`http_tls_key`", "it is no path", "not told", "beginning with"]),
        (
            text(&format!("http_tls_certificate = '{certificate}'")),
            ["`http_tls_key`", "it is missing", "`http_tls_certificate` is given", "give both"],
        ),
        (
            text(&format!("http_tls_key = '{key}'")),
            ["`http_tls_certificate`", "it is missing", "`http_tls_key` is given", "give both"],
        ),
    ];
    let secret = String::from_utf8(read("server.key")).unwrap();
    let secret = secret.lines().nth(1).unwrap();
    for (sources, says) in rows {
        let found = problems(&sources);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(says.iter().all(|part| found[0].contains(part)), "{says:?}: {found:?}");
        let printed = printed(&sources);
        assert!(!printed.contains(secret) && !printed.contains("hunter2"), "{printed}");
    }
}
