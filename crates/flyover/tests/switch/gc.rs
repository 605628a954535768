//! What is left behind is looked for, and nothing is written by looking.

use crate::run::switch;

#[test]
fn a_look_at_what_would_go_makes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let ran = switch(&["gc", "--dry-run", "--root", &root.path().display().to_string()], "");
    assert_eq!((ran.code, ran.out.as_str()), (0, "0 attachments, 0 would go\n"), "{}", ran.err);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
}
