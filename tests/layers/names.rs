//! The files and folders that documents name in backticks.

/// Files of those who run the gate.
const OF_USERS: [&str; 1] = ["flowgate.toml"];

/// A document names what is not there.
pub fn faults(document: &str, text: &str, there: impl Fn(&str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut code = false;
    for (n, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        // Within a line, what lies between two backticks is every second piece.
        let pieces = line.split('`').enumerate().filter(|(n, _)| n % 2 == 1 && !code);
        for (_, name) in pieces.filter(|(_, name)| looks_like_a_path(name)) {
            if !there(name.trim_end_matches('/')) {
                faults.push(format!("{document}:{}: `{name}` is not there", n + 1));
            }
        }
    }
    faults
}

/// It has a slash within, or ends as our files do. An HTTP path begins with a slash, and so does one of the machine. What is built is
/// there or not.
fn looks_like_a_path(name: &str) -> bool {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let ends = [".rs", ".md", ".toml"].iter().any(|end| name.ends_with(end) && name.len() > end.len());
    plain
        && !OF_USERS.contains(&name)
        && !name.starts_with(['/', '-', '.'])
        && !name.starts_with("target/")
        && (name.contains('/') || ends)
}

/// `names`: every file and folder of the repository. A document may leave out `src/`, and of a file the folder too.
pub fn is_there(names: &[String], name: &str) -> bool {
    let in_sources = format!("src/{name}");
    let at_an_end = format!("/{name}");
    let alone = !name.contains('/');
    names.iter().any(|there| *there == name || *there == in_sources || (alone && there.ends_with(&at_an_end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["README.md", "src/worker/gather.rs", "tests/gate"];

    fn faults_of(text: &str) -> Vec<String> {
        let names = NAMES.map(str::to_owned);
        faults("A.md", text, |name| is_there(&names, name))
    }

    #[test]
    fn what_is_there_may_be_named_in_several_ways() {
        let text = "`README.md`, `worker/gather.rs`, `src/worker/gather.rs`, `gather.rs`, `tests/gate/`, `tests/gate`";
        assert_eq!(faults_of(text), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_path_is_left_alone() {
        let text = "`GET /flows/{id}`, `/metrics`, `target/book`, `flow.queue.welcome.1`, `cargo test -p x/y`, `.rs`\n```\n`gone.rs`\n```";
        assert_eq!(faults_of(text), Vec::<String>::new());
    }

    #[test]
    fn what_is_gone_is_told_with_its_line() {
        let found = faults_of("first\n`worker/gone.rs`, `gone.md`, `src/gone/`, `gather/worker.rs`");
        let told = ["worker/gone.rs", "gone.md", "src/gone/", "gather/worker.rs"]
            .map(|name| format!("A.md:2: `{name}` is not there"));
        assert_eq!(found, told);
    }
}
