//! What is not done is done, or stands in the closing note; it does not stand in the tree.

use crate::{Fault, Tree};

/// Marks of unfinished work, written so that this file does not hold them.
const MARKS: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[", "ignore"),
];

/// Faults of lines that put work off.
pub fn check(tree: &Tree) -> Vec<Fault> {
    let lines = tree.files().flat_map(|f| f.text.lines().enumerate().map(move |(i, line)| (f, i + 1, line)));
    lines
        .filter_map(|(f, n, line)| Some((f, n, MARKS.iter().find(|mark| line.contains(**mark))?)))
        .map(|(f, n, mark)| Fault::at(&f.path, n, format!("`{mark}`: do it, or name it in the closing note")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_put_off_is_a_fault_in_any_file() {
        let text = format!("fine\n# {}: later\n", MARKS[0]);
        let tree = Tree::of([("Makefile", &text), ("a.md", "fine\n")]);
        let faults: Vec<_> = check(&tree).into_iter().map(|f| (f.path, f.line)).collect();
        assert_eq!(faults, [("Makefile".into(), 2)]);
    }
}
