//! What the fields mean.

use serde_json::Value;

use crate::run::switch;

#[test]
fn explain_says_what_each_field_means_and_gives_the_schema() {
    let all = switch(&["explain"], "").out;
    for field in ["runtime", "dpdk", "socketMemory", "pmd", "bridges", "uplinks", "expectedPorts", "options"]
    {
        assert!(all.contains(field), "{field} in\n{all}");
    }
    assert!(switch(&["explain", "dpdk.socketMemory"], "").out.contains("MiB for each NUMA node"));
    let unknown = switch(&["explain", "dpdk.socketmem"], "");
    assert_eq!(unknown.code, 2, "{}", unknown.err);
    let schema: Value = serde_json::from_str(&switch(&["explain", "--schema"], "").out).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}
