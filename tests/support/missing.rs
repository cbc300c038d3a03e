//! What is said when a program that the tests need is not there.

use std::io::ErrorKind;

const INSTALL: &str = "the tests need Java 17, Maven and OpenSSL's command: \
                       apt-get install -y openjdk-17-jdk-headless maven openssl";

/// Ends the test.
pub fn missing(command: &str, error: &std::io::Error) -> ! {
    match error.kind() {
        ErrorKind::NotFound => panic!("`{command}` is not installed: {INSTALL}"),
        _ => panic!("`{command}` does not run: {error}; {INSTALL}"),
    }
}
