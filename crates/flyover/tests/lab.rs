//! `flyover lab` as a person meets it: what it prints, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::{Command, Output};

fn flyover(root: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flyover")).args(args).env("FLYOVER_ROOT", root).output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_dry_run_prints_commands_and_needs_no_privilege() {
    let ran = flyover("/nonexistent", &["lab", "up", "--dry-run", "--pods", "1"]);
    assert_eq!(ran.status.code(), Some(0));
    let first = "ip netns add lab-n1; ip -n lab-n1 link set lo up alias 'flyover lab lab'";
    assert_eq!(said(&ran.stdout).lines().next(), Some(first));
}

#[test]
fn the_rules_are_those_that_kube_proxy_writes_by_default() {
    let ran = flyover("/nonexistent", &["lab", "up", "--dry-run"]);
    let last = "ip netns exec lab-n2 iptables-nft-restore ";
    assert!(said(&ran.stdout).lines().last().unwrap().starts_with(last), "{ran:?}");
}

#[test]
fn a_spec_that_cannot_be_built_is_wrong_usage() {
    let ran = flyover("/nonexistent", &["lab", "up", "--dry-run", "--mtu", "100"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(said(&ran.stderr).contains("cause: a lab cannot have 100 bytes of MTU"), "{ran:?}");
    let ran = flyover("/nonexistent", &["lab", "up", "--overlay", "vlan"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(said(&ran.stderr).contains("[possible values: vxlan, geneve, routed]"), "{ran:?}");
}

#[test]
fn a_lab_that_is_not_there_is_an_error_with_a_hint() {
    let root = std::env::temp_dir();
    let ran = flyover(root.to_str().unwrap(), &["lab", "status", "--name", "no-such-lab"]);
    assert_eq!(ran.status.code(), Some(1));
    assert_eq!(
        said(&ran.stderr),
        "error: failed to look at lab `no-such-lab`\n  cause: there is no lab `no-such-lab`\n  \
         hint:  `flyover lab status` names the labs there are\n"
    );
}

mod root {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    use flyover_host::cmd::Cmd;
    use flyover_lab::Labs;

    use super::*;

    #[test]
    fn who_is_not_root_is_told_so() {
        // By a descriptor: nobody may not enter a home, in which this program may lie.
        let program = OwnedFd::from(File::open(env!("CARGO_BIN_EXE_flyover")).unwrap());
        let path = format!("/proc/self/fd/{}", program.as_raw_fd());
        let nobody = Cmd::new("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups", &path]);
        let ran = nobody.args(["lab", "up", "--name", "fo-nobody"]).inherits(program).end().unwrap();
        assert_eq!(ran.status.code(), Some(1));
        assert_eq!(
            ran.stderr,
            "error: failed to build lab `fo-nobody`\n  cause: a lab needs root: it makes network namespaces\n  \
             hint:  run it with sudo\n"
        );
    }

    #[test]
    fn a_tool_that_is_missing_makes_it_impossible() {
        let bare = Command::new(env!("CARGO_BIN_EXE_flyover"))
            .args(["lab", "up", "--name", "fo-bare", "--rules", "nft"])
            .env("PATH", "/nonexistent")
            .output()
            .unwrap();
        assert_eq!(bare.status.code(), Some(4), "{bare:?}");
        assert!(said(&bare.stderr).contains("hint:  install it (Debian: apt install nftables)"), "{bare:?}");
    }

    /// What `ip` says of a device's MTU there.
    fn mtu(root: &str, name: &str, place: &str, device: &str) -> serde_json::Value {
        let ip = ["--", "ip", "-j", "link", "show", device];
        let ran = flyover(root, &[&["lab", "exec", "--name", name, place], &ip[..]].concat());
        serde_json::from_slice::<serde_json::Value>(&ran.stdout).unwrap()[0]["mtu"].clone()
    }

    #[test]
    fn nodes_policy_and_mtu_are_as_the_command_line_says() {
        let (root, name) = (tempfile::tempdir().unwrap(), format!("be-opt-{}", std::process::id()));
        let root_name = root.path().to_str().unwrap();
        let asked = ["--nodes", "3", "--pods", "1", "--services", "0", "--network-policy", "--mtu", "4000"];
        let up = flyover(root_name, &[&["lab", "up", "--name", &name], &asked[..]].concat());
        assert_eq!(up.status.code(), Some(0), "{up:?}");
        let lab = Labs::below(root.path()).open(&name.parse().unwrap()).unwrap().guarded();
        assert_eq!((lab.nodes().count(), lab.pods().count()), (3, 3));
        for (place, device, bytes) in [("n3", "eth0", 4000), ("wire", "n3", 4000), ("n3/p1", "eth0", 3950)] {
            assert_eq!(mtu(root_name, &name, place, device), bytes, "{place} {device}");
        }
        // A service's port is let in, and others are not.
        let (client, server) = (lab.pod(1, 1).unwrap(), lab.pod(3, 1).unwrap());
        let reaches = |port| {
            let at = SocketAddr::new(server.v4().unwrap().into(), port);
            let _listener = server.netns().unwrap().run(|| TcpListener::bind(at)).unwrap().unwrap();
            let dial = || TcpStream::connect_timeout(&at, Duration::from_millis(500));
            client.netns().unwrap().run(dial).unwrap().is_ok()
        };
        assert_eq!((reaches(80), reaches(81)), (true, false));
    }

    /// The machine's labs are not ours to remove, so these stand where `/run` is another, as in a container.
    #[test]
    fn down_all_removes_every_lab_also_what_a_crash_left_and_can_be_repeated() {
        let root = tempfile::tempdir().unwrap();
        let script = r#"mount -t tmpfs none /run
            up() { $F lab up --name $1 --pods 1 --services 0 --rules none >&2; }
            up bea; up beb; up bec
            $F lab fastpath on --name bea
            rm $FLYOVER_ROOT/run/flyover/lab/beb.json      # its record is lost,
            ip netns delete bec-n2                         # and of this one a node.
            ip netns add stranger-n1
            ip -n stranger-n1 link set lo up
            $F lab down --all --dry-run
            ls /run/netns | wc -l
            $F lab down --all
            ls /run/netns
            $F lab down --all
            find $FLYOVER_ROOT -path "*/lab/*.json" -o -path "*/bpf/*" -name "be*""#;
        let variables = [
            format!("F={}", env!("CARGO_BIN_EXE_flyover")),
            format!("FLYOVER_ROOT={}", root.path().display()),
        ];
        let isolated = Cmd::new("unshare").args(["-m", "env"]).args(variables);
        insta::assert_snapshot!(isolated.args(["sh", "-ec", script]).run().unwrap(), @"
        lab `bea`: 4 namespaces to be removed, 2 processes to be killed
        lab `beb`: 4 namespaces to be removed, 0 processes to be killed
        lab `bec`: 3 namespaces to be removed, 0 processes to be killed
        12
        lab `bea`: 4 namespaces removed, 0 processes killed
        lab `beb`: 4 namespaces removed, 0 processes killed
        lab `bec`: 3 namespaces removed, 0 processes killed
        stranger-n1
        ");
    }

    #[test]
    fn a_lab_comes_runs_a_command_tells_its_state_and_goes() {
        let (root, name) = (std::env::temp_dir(), format!("fo-cli-{}", std::process::id()));
        let root = root.join(&name);
        let lab = |verb: &[&str]| {
            let args = [&["lab"], &verb[..1], &["--name", &name], &verb[1..]].concat();
            flyover(root.to_str().unwrap(), &args)
        };
        assert_eq!(lab(&["up", "--services", "0", "--ip", "dual"]).status.code(), Some(0));
        assert_eq!(lab(&["up"]).status.code(), Some(1));
        let ran = lab(&["exec", "n1/p1", "--", "sh", "-c", "echo in $0; exit 9", "here"]);
        assert_eq!((ran.status.code(), said(&ran.stdout)), (Some(9), "in here\n".to_owned()));
        let status = lab(&["status", "-o", "json"]);
        assert_eq!(status.status.code(), Some(0), "{status:?}");
        let json: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(json["labs"][0]["up"], true);
        assert_eq!(json["labs"][0]["spec"]["ip"], "dual");
        assert_eq!(json["labs"][0]["namespaces"][2]["place"], "n1/p1");
        assert_eq!(json["labs"][0]["namespaces"][2]["devices"][0]["addresses"][0], "10.244.1.11/24");
        assert_eq!(json["labs"][0]["services"][0]["backends"][1], "10.244.2.11");
        assert_eq!(lab(&["exec", "n2", "--", "ip", "link", "set", "eth0", "down"]).status.code(), Some(0));
        assert_eq!(lab(&["status"]).status.code(), Some(3));
        assert_eq!(said(&lab(&["down", "--dry-run"]).stdout).lines().count(), 1);
        assert_eq!(lab(&["status"]).status.code(), Some(3));
        assert_eq!(lab(&["down"]).status.code(), Some(0));
        assert_eq!(lab(&["down"]).status.code(), Some(0));
        std::fs::remove_dir_all(root).unwrap();
    }
}
