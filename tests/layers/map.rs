//! The map in ARCHITECTURE.md, as a table: which folder must not know what.

/// A row of the map.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Without the slash at the end.
    pub folders: Vec<String>,
    pub must_not_know: String,
}

const HEAD: &str = "| folder | knows | must not know |";

pub fn rows(document: &str) -> Vec<Row> {
    let after = document.lines().skip_while(|line| *line != HEAD).skip(2);
    after.map_while(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [folders, _, must_not_know] = cells[..] else { return None };
    let folders = folders.split(',').map(|name| name.trim().trim_matches('`').trim_end_matches('/').to_owned());
    Some(Row { folders: folders.collect(), must_not_know: must_not_know.to_owned() })
}

/// What is wrong with the map: it names what is not there, or leaves out what is. `there`: everything in the
/// repository, and `wanted`: what the map has to name.
pub fn faults(rows: &[Row], there: impl Fn(&str) -> bool, wanted: &[String]) -> Vec<String> {
    let named: Vec<&String> = rows.iter().flat_map(|row| &row.folders).collect();
    let gone =
        named.iter().filter(|name| !there(name)).map(|name| format!("the map names `{name}`, which is not there"));
    let missing = wanted.iter().filter(|name| !named.contains(name)).map(|name| format!("`{name}` is not in the map"));
    gone.chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "text\n\n| folder | knows | must not know |\n| --- | --- | --- |\n| `src/a.rs`, `src/a/` | x | Kafka, tokio |\n\
        | `checker/` | y | |\n\n| other | table | here |\n";

    #[test]
    fn the_map_is_read() {
        let rows = rows(DOCUMENT);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].folders, ["src/a.rs", "src/a"]);
        assert_eq!(rows[0].must_not_know, "Kafka, tokio");
        assert_eq!(rows[1].must_not_know, "");
    }

    #[test]
    fn what_the_map_leaves_out_and_what_is_gone_is_found() {
        let wanted = ["src/a".to_owned(), "src/b".to_owned()];
        let faults = faults(&rows(DOCUMENT), |name| name != "src/a.rs", &wanted);
        assert_eq!(faults, ["the map names `src/a.rs`, which is not there", "`src/b` is not in the map"]);
    }
}
