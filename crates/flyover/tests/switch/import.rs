//! A switch that is set up already.

use flyover_api::SwitchSpec;
use serde_json::Value;

use crate::run::on_server;

const FIRST: &str = "dpdk-socket-mem=\"1024,1024\"\ndpdk-init=true\npmd-cpu-mask=0x4\ndpdk-lcore-mask=0x2\n\
                     dpdk-hugepage-dir=/dev/hugepages\n";

#[test]
fn the_first_documents_configuration_is_written_as_a_switch() {
    let ran = on_server(8, &["import", "--config-cfg", "-"], FIRST);
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!(ran.out);
    let spec = SwitchSpec::from_yaml(&ran.out).unwrap();
    assert_eq!(spec.dpdk.socket_memory, Some(vec![1024, 1024]));
    let again = on_server(8, &["size", "-f", "-"], &ran.out);
    assert!(again.out.starts_with("pmd-cpu-mask     0x4 (CPUs 2)\n"), "{}", again.out);
}

#[test]
fn a_line_that_a_shell_would_run_ends_with_2_and_runs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let witness = dir.path().join("run");
    let text = format!("dpdk-init=true\nx=$(touch {0})\ny=`touch {0}`\ntouch {0}\n", witness.display());
    let ran = on_server(8, &["import", "--config-cfg", "-", "-o", "json"], &text);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("3 lines of `-` are no settings"), "{}", ran.err);
    let imported: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(imported["findings"][0]["at"], "line 2");
    assert!(!witness.exists());
}
