//! The table of threats in SECURITY.md: each row names a test that is there.

/// A row names no test, or one that is not there. `text`: what a file says, `None` if there is none.
pub fn faults(document: &str, text: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = document.lines().enumerate().skip_while(|(_, line)| !line.contains("| tested by |")).skip(2);
    for (n, line) in lines.take_while(|(_, line)| line.starts_with('|')) {
        let cell = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let (mut file, mut tests) = (None, 0);
        for name in cell.split('`').skip(1).step_by(2) {
            if name.ends_with(".rs") {
                (file, tests) = (text(name), tests + 1);
            } else if !file.as_ref().is_some_and(|file| file.contains(&format!("fn {name}("))) {
                faults.push(format!("line {}: `{name}` is not there", n + 1));
            }
            if file.is_none() {
                faults.push(format!("line {}: the file of `{name}` is not there", n + 1));
            }
        }
        if tests == 0 {
            faults.push(format!("line {}: no test", n + 1));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(cell: &str) -> Vec<String> {
        let document = format!("| who | what | tested by |\n| --- | --- | --- |\n| a | b | {cell} |\n\nno row\n");
        faults(&document, |file| (file == "a.rs").then(|| "fn one() {}\nfn two() {}\n".to_owned()))
    }

    #[test]
    fn a_row_has_tests_that_are_there() {
        assert_eq!(faults_of("`a.rs` `one`, `two`"), Vec::<String>::new());
        assert_eq!(faults_of("`a.rs`"), Vec::<String>::new());
        assert_eq!(faults_of("by hand"), ["line 3: no test"]);
        assert_eq!(faults_of("`a.rs` `three`"), ["line 3: `three` is not there"]);
        assert_eq!(faults_of("`b.rs`"), ["line 3: the file of `b.rs` is not there"]);
    }
}
