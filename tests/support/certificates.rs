//! Certificates for one broker and its clients, by OpenSSL's command: made anew each time, so that no key is in the tree
//! and none ever ends.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::missing::missing;

/// P-256: a key takes no time to make.
const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/// Makes in `directory`: `ca.crt`; `server.pem`, key and chain in one, for 127.0.0.1 and localhost; `client.crt` and
/// `client.key`; and `stranger.crt`, another CA.
pub fn make(directory: &Path) {
    fs::create_dir_all(directory).expect("making the folder of the certificates");
    authority(directory, "ca");
    authority(directory, "stranger");
    signed(directory, "server", "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n");
    client(directory, "client");
    // Kafka wants the key as PKCS#8, and all of it in one file.
    openssl(directory, &["pkcs8", "-topk8", "-nocrypt", "-in", "server.key", "-out", "server.p8"]);
    let read = |file: &str| fs::read_to_string(directory.join(file)).expect("reading what OpenSSL wrote");
    let parts = ["server.p8", "server.crt", "ca.crt"].map(read);
    fs::write(directory.join("server.pem"), parts.concat()).expect("writing the broker's certificate");
}

/// A certificate for a client of this name, and its key.
pub fn client(directory: &Path, name: &str) {
    signed(directory, name, "extendedKeyUsage=clientAuth\n");
}

/// A CA of this name.
fn authority(directory: &Path, name: &str) {
    let (key, certificate, subject) = (format!("{name}.key"), format!("{name}.crt"), format!("/CN={name}"));
    let extensions =
        ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"];
    let request = ["req", "-x509", "-days", "2", "-keyout", &key, "-out", &certificate, "-subj", &subject];
    openssl(directory, &[&request[..], &KEY, &extensions].concat());
}

/// A certificate that `ca` signs.
fn signed(directory: &Path, name: &str, extensions: &str) {
    let file = |ending: &str| format!("{name}.{ending}");
    let (key, request, certificate, subject) = (file("key"), file("csr"), file("crt"), format!("/CN={name}"));
    fs::write(directory.join(file("ext")), extensions).expect("writing the extensions of a certificate");
    openssl(directory, &[&["req", "-keyout", &key, "-out", &request, "-subj", &subject][..], &KEY].concat());
    let by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", &file("ext")];
    openssl(directory, &[&["x509", "-req", "-in", &request, "-out", &certificate][..], &by].concat());
}

fn openssl(directory: &Path, args: &[&str]) {
    let output = Command::new("openssl")
        .args(args)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| missing("openssl", &error));
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
