//! The definitions of the resources: the server takes them, fills in what is left out, and refuses what makes no sense.

use serde_json::{Value, json};

use crate::stage::Stage;

const OURS: &str = "flyover.dev/v1alpha1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_out_is_filled_in_by_the_server() {
    let stage = Stage::set().await;
    let written = stage.apply(OURS, "FastPath", &json!({"metadata": {"name": "all"}, "spec": {}})).await;
    assert_eq!(
        written.data["spec"],
        json!({
            "nodeSelector": {}, "priority": 0, "uplinks": [], "pods": {"optIn": {}, "optOut": {}},
            "leaseMs": 1000, "deadmanMs": 5000, "backend": "auto", "forbidSysctl": false,
            "rollout": {
                "canary": 1, "maxUnavailable": 1, "pause": false, "onFailure": "rollback",
                "drain": {"deadlineSeconds": 600, "deleteEmptyDirData": true, "force": false},
            },
        })
    );
    for kind in ["NodeProfile", "Switch"] {
        let written = stage.apply(OURS, kind, &json!({"metadata": {"name": "all"}, "spec": {}})).await;
        assert_eq!(written.data["spec"]["rollout"]["maxUnavailable"], json!(1), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_is_refused_with_a_reason() {
    let stage = Stage::set().await;
    let share = "is a number from 1 to 4294967295, or a share from 1% to 100%";
    let rollout = |rollout: Value| json!({"rollout": rollout});
    let cases = [
        (rollout(json!({"maxUnavailable": 0})), share),
        (rollout(json!({"maxUnavailable": "0%"})), share),
        (rollout(json!({"maxUnavailable": 5_000_000_000_u64})), share),
        (rollout(json!({"maxUnavailable": "101%"})), share),
        (rollout(json!({"maxUnavailable": "many"})), share),
        (rollout(json!({"canary": 1001})), "should be less than or equal to 1000"),
        (rollout(json!({"canary": -1})), "should be greater than or equal to 0"),
        (rollout(json!({"drain": {"deadlineSeconds": 0}})), "should be greater than or equal to 1"),
        (
            rollout(json!({"drain": {"deadlineSeconds": 5_000_000_000_u64}})),
            "should be less than or equal to 4294967295",
        ),
        (json!({"priority": 3_000_000_000_u64}), "spec.priority"),
        (rollout(json!({"onFailure": "cry"})), "supported values: \"rollback\", \"stay\""),
        (json!({"leaseMs": 9}), "should be greater than or equal to 10"),
        (json!({"deadmanMs": 700_000}), "should be less than or equal to 600000"),
        (json!({"backend": "magic"}), "supported values: \"auto\", \"ebpf\", \"nft\""),
    ];
    for (spec, why) in cases {
        let body = json!({"metadata": {"name": "bad"}, "spec": spec});
        let error = stage.try_apply(OURS, "FastPath", &body).await.expect_err("it is refused");
        assert!(error.to_string().contains(why), "{spec}: {error}");
    }
    for good in [json!("1%"), json!("100%"), json!(7)] {
        let body = json!({"metadata": {"name": "good"}, "spec": {"rollout": {"maxUnavailable": good}}});
        stage.apply(OURS, "Switch", &body).await;
    }
}
