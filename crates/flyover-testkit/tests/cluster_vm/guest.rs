//! What is done in the guest.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use flyover_testkit::cluster::{Cluster, Options};

/// Where the guest has the programs of Kubernetes.
pub(crate) const TOOLS: &str = "/srv/tools";
/// Where the cluster is.
pub(crate) const FOLDER: &str = "/srv/cluster";

/// For one answer.
const LONG: Duration = Duration::from_secs(600);

const ROOT: &str = "/sys/fs/cgroup";

/// What the root hands on, and the groups of rigs below it.
fn groups() -> (String, Vec<String>) {
    let mut names: Vec<String> = fs::read_dir(ROOT)
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.starts_with("fo-"))
        .collect();
    names.sort();
    (fs::read_to_string(Path::new(ROOT).join("cgroup.subtree_control")).unwrap(), names)
}

/// An emulated server is slow, and now and then does not answer in time.
fn kubectl(cluster: &Cluster, arguments: &[&str]) -> String {
    let deadline = Instant::now() + LONG;
    loop {
        match cluster.ask(arguments).timeout(LONG).run() {
            Err(error) if Instant::now() > deadline => panic!("{error}"),
            Err(_) => thread::sleep(Duration::from_secs(1)),
            Ok(said) => return said,
        }
    }
}

/// Raises a cluster, has it run a pod with limits, and takes both away.
pub(crate) fn raise_and_take_down() {
    let started = Instant::now();
    let timed = |what: &str| eprintln!("{what} after {:.0} s", started.elapsed().as_secs_f32());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(mounts.contains(" cgroup2 ") && !mounts.contains(" cgroup "), "{mounts}");
    let before = groups();
    eprintln!("{before:?}");

    let options = Options { nodes: 1, hugepages: 16, ..Options::new(Path::new(FOLDER), Path::new(TOOLS)) };
    let cluster = Cluster::up(&options).unwrap();
    timed("nodes are ready");
    eprintln!("{}", kubectl(&cluster, &["get", "nodes", "--output=wide"]));
    fs::write("/srv/limited.yaml", include_str!("limited.yaml")).unwrap();
    kubectl(&cluster, &["apply", "--filename=/srv/limited.yaml"]);
    kubectl(&cluster, &["wait", "--timeout=300s", "--for=condition=Ready", "pod/limited"]);
    let files = ["memory.max", "cpu.max"].map(|file| format!("{ROOT}/{file}"));
    let read = [&["exec", "limited", "--", "cat"], &files.each_ref().map(String::as_str)[..]].concat();
    assert_eq!(kubectl(&cluster, &read), "67108864\n10000 100000\n");
    timed("the pod is limited");
    kubectl(&cluster, &["delete", "--ignore-not-found", "pod/limited"]);
    timed("the pod is gone");
    cluster.down().unwrap();
    timed("all is gone");
    assert_eq!(groups(), before);
}
