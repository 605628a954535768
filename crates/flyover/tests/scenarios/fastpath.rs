//! The bypass of the primary network: from the installation to a cluster in which nothing of it is left.

mod root {
    use std::path::Path;
    use std::thread;
    use std::time::{Duration, Instant};

    use flyover_testkit::cluster::{Asked, Proxy};

    use crate::stage::{Stage, soon};
    use crate::traces::{differences, traces};
    use crate::ways;

    const FASTPATH: &str =
        "apiVersion: flyover.dev/v1alpha1\nkind: FastPath\nmetadata: {name: all}\nspec: {}\n";
    /// The lease of a FastPath that names none, and what a packet and its counter need.
    const LEASE: Duration = Duration::from_millis(1000 + 500);

    /// Flyover, and two pods on two nodes.
    fn install(stage: &Stage) {
        stage.install();
        stage.pod("left", 1);
        stage.pod("right", 2);
        stage.wait(&["--for=condition=Ready", "pod", "--all"]);
    }

    fn turn_on(stage: &Stage) {
        stage.cluster.apply(FASTPATH).unwrap();
        stage.wait(&["--for=condition=Ready", "fastpath/all"]);
    }

    /// Frames that the overlay device of a node carries while something is done.
    fn carried_during(stage: &Stage, work: impl FnOnce()) -> u64 {
        let before = stage.carried(1);
        work();
        stage.carried(1) - before
    }

    /// What is fetched through the service in front of the other pod, 64 MiB.
    fn fetch(stage: &Stage) {
        let service = stage.field("service/right", ".spec.clusterIP");
        let get = format!("wget -qO- http://{service}/zeros | wc -c");
        let bytes = stage.cluster.kubectl(&["exec", "left", "-c", "web", "--", "sh", "-c", &get]).unwrap();
        assert_eq!(bytes.trim(), "67108864");
    }

    #[test]
    fn pods_are_bypassed_a_deny_cuts_them_off_and_nothing_is_left_in_the_end() {
        let stage = Stage::raise("fastpath", |_| {});
        let before = traces(&stage);
        install(&stage);
        let right = stage.address("right");
        let quick = ["--minms", "500", "--maxms", "1000", "--warmupms", "1500"];
        let slow = carried_during(&stage, || {
            let report = stage.ping_pong("left", &right, &quick);
            eprintln!("without: {report}");
        });
        turn_on(&stage);
        let fast = carried_during(&stage, || {
            let report = stage.ping_pong("left", &right, &quick);
            eprintln!("with: {report}");
        });
        assert!(slow > 20 * fast, "{slow} frames by the overlay without, {fast} with");
        let through = carried_during(&stage, || fetch(&stage));
        // A frame of the overlay has 1,400 bytes at most where it is not coalesced.
        eprintln!("64 MiB through the service: {through} frames by the overlay");

        a_deny_cuts_a_flow(&stage, &right);

        stage.done(&["status"]);
        soon("what ended is no flow of the moment", || {
            let told = stage.done(&["explain", "pod", "default/left"]);
            told.contains("of its flows, 0 are bypassed at this moment")
        });

        let began = Instant::now();
        what_others_put_there_is_named_and_stays(&stage);
        stage.done(&["uninstall", "--purge", "--timeout", "2m"]);
        stage.done(&["verify", "--removed"]);
        eprintln!("removed, and verified, within {:.1} s", began.elapsed().as_secs_f64());
        for node in stage.cluster.nodes() {
            node.exec(&[env!("CARGO_BIN_EXE_flyover"), "verify", "--removed", "--node"]).unwrap();
        }
        assert_eq!(differences(&before, &traces(&stage)), Vec::<String>::new());
        stage.ping_pong("left", &right, &quick);
        stage.cluster.down().unwrap();
    }

    fn what_others_put_there_is_named_and_stays(stage: &Stage) {
        let note = ["-n", "flyover-system", "create", "configmap", "somebodys"];
        stage.cluster.kubectl(&note).unwrap();
        let ended = stage.flyover(&["uninstall", "--timeout", "2m"]);
        assert_eq!(ended.status.code(), Some(1), "something is left");
        for word in ["something is left: Namespace flyover-system", "ConfigMap somebodys", "--purge"] {
            assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
        }
        assert_eq!(stage.flyover(&["verify", "--removed"]).status.code(), Some(3));
    }

    /// Whether a conversation of the pod is called bypassed in that direction.
    fn goes(stage: &Stage, from: &str, to: &str) -> bool {
        let told = stage.done(&["explain", "pod", "default/left"]);
        let line = |line: &str| {
            line.contains(&format!("tcp:{from}:"))
                && line.contains(&format!("-{to}:"))
                && line.contains(" goes from ")
        };
        told.lines().any(line)
    }

    /// As a policy does: both ends go on, and a rule of the node says no. Nobody tells Flyover.
    fn a_deny_cuts_a_flow(stage: &Stage, right: &str) {
        let from = stage.address("left");
        let heard = || -> u64 {
            let packets =
                ["exec", "right", "-c", "web", "--", "cat", "/sys/class/net/eth0/statistics/rx_packets"];
            stage.cluster.kubectl(&packets).unwrap().trim().parse().unwrap()
        };
        let long = ["--minms", "8000", "--maxms", "8000", "--timeout", "6"];
        thread::scope(|scope| {
            let going = scope.spawn(|| stage.ping_pong("left", right, &long));
            let first = heard();
            soon("the flow goes", || heard() > first + 5000);
            assert!(goes(stage, &from, right));
            let rule = ["iptables", "-I", "FORWARD", "-s", &from, "-d", right, "-j", "DROP"];
            stage.cluster.node(1).exec(&rule).unwrap();
            thread::sleep(LEASE);
            let cut = heard();
            thread::sleep(Duration::from_millis(500));
            let after = heard();
            assert!(!goes(stage, &from, right));
            let back = ["iptables", "-D", "FORWARD", "-s", &from, "-d", right, "-j", "DROP"];
            stage.cluster.node(1).exec(&back).unwrap();
            assert!(after < cut + 50, "{cut} packets had come a lease after the rule, {after} later");
            // It was cut, not broken: what was lost meanwhile is sent again.
            going.join().unwrap();
        });
    }

    /// Where labels decide, agents follow pods: each those of its node, and no others.
    fn a_pod_that_opts_out_is_heard_of_on_its_own_node_only(stage: &Stage) {
        stage.cluster.apply(&FASTPATH.replace("{}", "{pods: {optOut: {speed: slow}}}")).unwrap();
        stage.cluster.kubectl(&["label", "pod", "left", "speed=slow"]).unwrap();
        soon("the pod is left alone", || carried_during(stage, || fetch(stage)) > 1000);
        let told = stage.done(&["explain", "pod", "default/left"]);
        assert!(told.contains("leaves out pods with speed=slow"), "{told}");
        let of_pods = || -> Vec<Asked> {
            let asked = stage.cluster.asked().unwrap().into_iter();
            let of_agents = asked.filter(|asked| asked.pod.starts_with("flyover-agent-"));
            of_agents.filter(|asked| asked.address.split(['/', '?']).any(|part| part == "pods")).collect()
        };
        // One node has a change first.
        soon("both agents ask for pods", || {
            let asked = of_pods();
            ["node1", "node2"].iter().all(|node| asked.iter().any(|asked| asked.node == *node))
        });
        for asked in of_pods() {
            let own = format!("fieldSelector=spec.nodeName%3D{}", asked.node);
            assert!(asked.address.contains(&own), "{asked:?}");
        }
        stage.cluster.kubectl(&["label", "pod", "left", "speed-"]).unwrap();
        stage.cluster.apply(FASTPATH).unwrap();
        soon("the pod is bypassed again", || carried_during(stage, || fetch(stage)) < 1000);
    }

    #[test]
    fn services_by_nftables_are_bypassed_and_nobody_does_what_he_may_not() {
        let stage = Stage::raise("nftables", |options| {
            options.proxy = Proxy::Nftables;
            options.audited = true;
        });
        install(&stage);
        let slow = carried_during(&stage, || fetch(&stage));
        turn_on(&stage);
        fetch(&stage);
        let fast = carried_during(&stage, || fetch(&stage));
        assert!(slow > 20 * fast, "{slow} frames by the overlay without, {fast} with");
        a_pod_that_opts_out_is_heard_of_on_its_own_node_only(&stage);
        ways::a_stolen_token_is_worth_one_node(&stage);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster-ways");
        ways::the_command_line_changes_nothing_unasked(&stage, &folder);
        stage.cluster.down().unwrap();
    }
}
