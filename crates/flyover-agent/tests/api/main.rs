//! An agent of a model host against a real API server: no part of what it talks to is simulated.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod server;
mod stage;

mod root {
    use std::fs;
    use std::time::Duration;

    use flyover_api::resource::{ConditionType, LanePhase, Truth};
    use flyover_core::Disturbance::{Link, Reboot};

    use crate::stage::{Stage, in_cluster};

    const PAGES: &str = "{hugepages: {pages: [{size: 2M, count: 64, node: 1}]}}";
    const POOL: &str = "sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages";
    const KNOWN: &str = "var/lib/flyover/agent/known.json";

    #[test]
    fn a_profile_comes_is_healed_and_goes_and_the_cluster_hears_of_it() {
        in_cluster(async |stage: Stage| {
            let found = stage.model.tree().unwrap();
            let agent = stage.agent();
            stage.want(Some(PAGES), Link).await;
            let ready = stage.until(LanePhase::Ready).await;
            let condition = ready.conditions.iter().find(|c| c.kind == ConditionType::Ready).unwrap();
            assert_eq!((condition.status, condition.observed_generation), (Truth::True, Some(1)));
            assert_eq!(ready.facts.numa_nodes, 2);
            assert_eq!(stage.pool(POOL), "64");
            // Somebody takes the pages away.
            fs::write(stage.model.root().join(POOL), "3\n").unwrap();
            stage.until_so("healed", || stage.pool(POOL) == "64").await;
            assert!(stage.model.root().join(KNOWN).exists());
            stage.want(None, Link).await;
            let clean = stage.until(LanePhase::Clean).await;
            let receipt = &clean.lanes[&flyover_api::resource::Lane::Profile].receipt;
            assert!(receipt.iter().any(|line| line.contains("hugepages")), "{receipt:?}");
            stage.end(agent).await;
            // What was healed is not what goes back.
            let differences = found.differences(&stage.model.tree().unwrap());
            assert!(differences.is_empty(), "{}", differences.join("\n"));
            assert!(!stage.model.root().join("var/lib/flyover").exists());
            let reasons = stage.events().await;
            assert_eq!(reasons, ["Applied", "Drifted", "Healed", "Removed"]);
        });
    }

    #[test]
    fn a_reboot_waits_for_leave_and_the_next_agent_goes_on_after_it() {
        in_cluster(async |stage: Stage| {
            let agent = stage.agent();
            stage.want(Some("{kernelArgs: {present: [audit=0]}}"), Link).await;
            let waiting = stage.until(LanePhase::Waiting).await;
            assert_eq!(waiting.lanes[&flyover_api::resource::Lane::Profile].needs, Reboot);
            stage.want(Some("{kernelArgs: {present: [audit=0]}}"), Reboot).await;
            stage.until(LanePhase::Applying).await;
            stage.until_so("rebooting", || stage.said("Rebooting")).await;
            stage.end(agent).await;
            stage.model.boot().unwrap();
            let next = stage.agent();
            stage.until(LanePhase::Ready).await;
            stage.end(next).await;
        });
    }

    #[test]
    fn without_the_api_server_the_node_heals_from_what_was_heard_last() {
        in_cluster(async |mut stage: Stage| {
            let agent = stage.agent();
            stage.want(Some(PAGES), Link).await;
            stage.until(LanePhase::Ready).await;
            stage.end(agent).await;
            stage.server.stop();
            let agent = stage.agent();
            fs::write(stage.model.root().join(POOL), "3\n").unwrap();
            stage.until_so("healed", || stage.pool(POOL) == "64").await;
            stage.server.start();
            stage.want(Some("{hugepages: {pages: [{size: 2M, count: 65, node: 1}]}}"), Link).await;
            stage.until_so("changed", || stage.pool(POOL) == "65").await;
            stage.until(LanePhase::Ready).await;
            stage.end(agent).await;
        });
    }

    #[test]
    fn a_quiet_node_says_nothing_for_a_while() {
        in_cluster(async |stage: Stage| {
            let agent = stage.agent();
            stage.want(Some(PAGES), Link).await;
            stage.until(LanePhase::Ready).await;
            let before = stage.version().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            assert_eq!(stage.version().await, before);
            stage.end(agent).await;
        });
    }
}
