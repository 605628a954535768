//! What cannot work is told clearly, with something to do about it, and leaves nothing behind.

use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::{Command, Output};

use flyover_host::cmd::{Cmd, CmdError, Ended};

use super::rig::Rig;

/// Runs an agent in the first node that is to end by itself.
fn run(rig: &Rig, options: &[&str]) -> Output {
    let mut flyover = Command::new(env!("CARGO_BIN_EXE_flyover"));
    flyover.args(["fastpath", "run"]).args(options).env("FLYOVER_ROOT", rig.root());
    rig.netns("n1").run(|| flyover.output()).unwrap().unwrap()
}

fn ended(ran: &Output) -> (Option<i32>, String) {
    (ran.status.code(), String::from_utf8(ran.stderr.clone()).unwrap())
}

pub(super) fn nothing_is_left(rig: &Rig) {
    assert!(!rig.root().join("run/flyover/fastpath").exists());
    assert!(!rig.instance(1).map_pin("ways").parent().unwrap().exists());
    assert_eq!(rig.at("n1", "cat /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal").trim(), "0");
    assert!(!rig.at("n1", "nft list tables").contains("flyover"));
}

#[test]
fn wrong_devices_and_names_are_wrong_usage() {
    let rig = Rig::slow("usage", |_| {});
    let name = rig.instance(1).name().to_owned();
    let (code, said) = ended(&run(&rig, &["--name", &name, "--uplink", "eth7"]));
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("cause: there is no device `eth7` to be an uplink\n  hint:  devices here: lo, eth0"),
        "{said}"
    );
    let (code, said) = ended(&run(&rig, &["--name", &name, "--uplink", "cni0"]));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("hint:  name the device below the tunnel or bridge"), "{said}");
    for verb in [&["run", "--uplink", "eth0"][..], &["off"], &["status"]] {
        let (code, said) = ended(&rig.flyover(&[&["fastpath"], verb, &["--name", "a/b"]].concat()));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("hint:  choose another --name"), "{said}");
    }
    nothing_is_left(&rig);
}

#[test]
fn times_that_cannot_work_are_wrong_usage() {
    let rig = Rig::slow("times", |_| {});
    let name = rig.instance(1).name().to_owned();
    for (option, value) in [
        ("--lease", "0s"),
        ("--lease", "1ms"),
        ("--lease", "2h"),
        ("--lease", "1000years"),
        ("--deadman", "0s"),
        ("--deadman", "250ms"),
        ("--deadman", "1day"),
    ] {
        let (code, said) = ended(&run(&rig, &["--name", &name, "--uplink", "eth0", option, value]));
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains(&format!("{option} cannot be {value}")) && said.contains("hint:  from "),
            "{said}"
        );
    }
    for value in ["soon", "-1s", "", "99999999999999999999s"] {
        let (code, said) =
            ended(&run(&rig, &["--name", &name, "--uplink", "eth0", &format!("--lease={value}")]));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("--lease"), "{said}");
    }
    nothing_is_left(&rig);
}

#[test]
fn who_is_not_root_is_told_so() {
    let rig = Rig::slow("nobody", |_| {});
    // By a descriptor: nobody may not enter a home, in which this program may lie.
    let program = OwnedFd::from(File::open(env!("CARGO_BIN_EXE_flyover")).unwrap());
    let path = format!("/proc/self/fd/{}", program.as_raw_fd());
    let nobody = Cmd::new("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups", &path]);
    let nobody = nobody.args(["fastpath", "run", "--uplink", "eth0"]).env("FLYOVER_ROOT", rig.root());
    let Ended { status, stderr: said, .. } = nobody.inherits(program).end().unwrap();
    let code = status.code();
    assert_eq!(code, Some(1));
    assert!(
        said.contains("cause: fastpath needs root") && said.contains("hint:  run it with sudo"),
        "{said}"
    );
    nothing_is_left(&rig);
}

#[test]
fn what_is_taken_is_told_with_its_holder() {
    let rig = Rig::fast("taken", |_| {}, &[]);
    let (code, said) = ended(&rig.flyover(&["lab", "up", "--name", rig.lab.name().as_str()]));
    assert_eq!(code, Some(1));
    assert!(said.contains("hint:"), "{said}");
    let name = rig.instance(1).name().to_owned();
    let (code, said) = ended(&run(&rig, &["--name", &name, "--uplink", "eth0"]));
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("is run by process {} already", rig.report(1).pid)), "{said}");
    assert!(said.contains("hint:  give this one another --name"), "{said}");
    let server = rig.netns("n1").run(|| std::net::TcpListener::bind("127.0.0.1:9475")).unwrap().unwrap();
    let other = format!("{name}-x");
    let (code, said) =
        ended(&run(&rig, &["--name", &other, "--uplink", "eth0", "--metrics", "127.0.0.1:9475"]));
    assert_eq!(code, Some(1));
    assert!(said.contains("hint:  choose another address for --metrics"), "{said}");
    drop(server);
    let ran = rig.flyover(&["fastpath", "status", "--name", &other]);
    assert_eq!(ran.status.code(), Some(1), "nothing is left of the second");
    assert!(rig.report(1).paused.is_empty() && rig.instance(1).holder().is_some(), "the first runs on");
}

/// Runs an agent on a machine of which a part is hidden.
fn run_where(rig: &Rig, hidden: &str) -> (Option<i32>, String) {
    let flyover = env!("CARGO_BIN_EXE_flyover");
    let script = format!(
        "{hidden} {flyover} fastpath run --name {} --root {} --uplink eth0 --backend ebpf",
        rig.instance(1).name(),
        rig.root().display()
    );
    let hidden = Cmd::new("unshare").args(["-m", "sh", "-ec", &script]);
    match rig.netns("n1").run(|| hidden.run()).unwrap().unwrap_err() {
        CmdError::Failed { status, stderr, .. } => (status.code(), stderr),
        other => panic!("{other}"),
    }
}

#[test]
fn a_machine_without_bpffs_or_btf_is_told_what_it_lacks() {
    let rig = Rig::slow("lacks", |_| {});
    let (code, said) = run_where(&rig, "mount -t tmpfs -o ro none /sys/fs; exec");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("no BPF file system at `/sys/fs/bpf`"), "{said}");
    assert!(said.contains("hint:  mount it: mount -t bpf bpf /sys/fs/bpf"), "{said}");
    nothing_is_left(&rig);
    let (code, said) = run_where(&rig, "mount -t tmpfs none /sys/kernel/btf; exec");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("no BTF at `/sys/kernel/btf/vmlinux`"), "{said}");
    assert!(said.contains("--backend nft needs none"), "{said}");
    nothing_is_left(&rig);
}

#[test]
fn a_bpf_file_system_that_cannot_be_used_is_told() {
    let rig = Rig::slow("badfs", |_| {});
    let without = "exec setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all";
    for hidden in [
        "mount -t bpf -o ro none /sys/fs/bpf; exec".to_owned(),
        format!("mount -t bpf -o mode=000 none /sys/fs/bpf; {without}"),
        format!("mount -t bpf -o mode=0500 none /sys/fs/bpf; {without}"),
    ] {
        let (code, said) = run_where(&rig, &hidden);
        assert_eq!(code, Some(4), "{hidden}: {said}");
        assert!(said.contains("the BPF file system at `/sys/fs/bpf` cannot be used"), "{hidden}: {said}");
        assert!(said.contains("hint:  see `ls -ld /sys/fs/bpf` and `findmnt /sys/fs/bpf`"), "{said}");
        nothing_is_left(&rig);
    }
    // A file where the mount point should be.
    let (code, said) = run_where(&rig, "mount -t tmpfs none /sys/fs; touch /sys/fs/bpf; exec");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("no BPF file system at `/sys/fs/bpf`"), "{said}");
    nothing_is_left(&rig);
    // Where nobody may load programs.
    let (code, said) = run_where(&rig, "exec setpriv --bounding-set=-bpf,-sys_admin --inh-caps=-all");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("this kernel loads no BPF programs") && said.contains("--backend nft"), "{said}");
    nothing_is_left(&rig);
}
