//! Attachments are linted, and the better ones printed.

use serde_json::Value;

use crate::run::switch;

const FIRST: &str = include_str!("../../../flyover-plan/tests/switch/documents/kube-ovn-nad.yaml");

#[test]
fn an_attachment_is_linted_and_what_is_printed_is_the_better_one() {
    let ran = switch(&["lint", "-"], FIRST);
    assert_eq!(ran.code, 3, "{}", ran.err);
    insta::assert_snapshot!(ran.out);
    let again = switch(&["lint", "-"], &ran.out);
    assert_eq!(again.code, 0, "{}", again.out);
}

#[test]
fn programs_get_findings_and_documents() {
    let ran = switch(&["lint", "-", "-o", "json"], FIRST);
    let linted: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(linted["findings"][0]["level"], "warning");
    assert!(linted["better"][0].as_str().unwrap().contains("\"mode\": \"client\""), "{linted}");
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    for text in ["a: [", "\"", "{]"] {
        let ran = switch(&["lint", "-"], text);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{text}");
        assert!(ran.err.contains("`-` is neither YAML nor JSON"), "{}", ran.err);
    }
    assert_eq!(switch(&["lint", "/no/such/file"], "").code, 2);
}
