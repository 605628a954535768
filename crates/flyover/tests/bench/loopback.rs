//! Measurements on loopback, which need no privilege.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::{Running, bench, printed};

/// Options for a measurement that is over at once.
const SHORT: [&str; 5] = ["--minms=5", "--maxms=20", "--warmupms=1", "--warmupiter=10", "--miniter=10"];
/// Options for one that can be looked at.
const LONG: [&str; 3] = ["--minms=20000", "--maxms=20000", "--miniter=1"];

/// The C library, under a name that makes it an accelerator.
fn accelerator(folder: &std::path::Path) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let library = maps.lines().filter_map(|l| l.split_whitespace().nth(5)).find(|l| l.contains("libc.so"));
    let named = folder.join("libonload.so");
    symlink(library.unwrap(), &named).unwrap();
    named.to_str().unwrap().to_owned()
}

#[test]
fn the_header_and_the_columns_are_those_of_sfnt_pingpong() {
    let folder = tempfile::tempdir().unwrap();
    let tool = folder.path().join("onload");
    std::fs::write(&tool, "#!/bin/sh\necho Onload 9.0; echo Copyright\n").unwrap();
    std::fs::set_permissions(&tool, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let said = printed(
        bench(&["pingpong", "--forkboth", "--port=21001", "--sizes=1,64"])
            .args(SHORT)
            .args(["tcp", "127.0.0.1"])
            .envs([("PATH", path), ("LD_PRELOAD", accelerator(folder.path()))])
            .env("EF_POLL_USEC", "100"),
    );
    let (header, rows) = said.split_once("#\n").unwrap();
    let mut keys: Vec<_> = header.lines().map(|l| l[2..].split([':', '=']).next().unwrap()).collect();
    // A machine may have no PCI devices, or no tool to list them.
    keys.retain(|key| *key != "lspci");
    let as_sfnt_pingpong_writes = [
        "cmdline",
        "version",
        "src",
        "date",
        "uname",
        "cpu",
        "ram",
        "tsc_hz",
        "LD_PRELOAD",
        "onload_version",
        "EF_POLL_USEC",
        "server LD_PRELOAD",
        "percentile",
    ];
    assert_eq!(keys, as_sfnt_pingpong_writes, "{header}");
    assert!(header.contains("# onload_version=Onload 9.0\n# EF_POLL_USEC=100\n"), "{header}");
    let mut rows = rows.lines();
    assert_eq!(rows.next(), Some("#\tsize\tmean\tmin\tmedian\tmax\t%ile\tstddev\titer"));
    for size in ["1", "64"] {
        let row: Vec<_> = rows.next().unwrap().split('\t').collect();
        assert_eq!((row.len(), row[0], row[1]), (9, "", size));
        let [mean, min, median, max, tail, _, count] =
            [2, 3, 4, 5, 6, 7, 8].map(|i| row[i].parse::<u64>().unwrap());
        assert!(0 < min && min <= median && median <= tail && tail <= max && min <= mean && mean <= max);
        assert!(count >= 10);
    }
    assert_eq!(rows.next(), None);
}

#[test]
fn raw_writes_each_sample_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("raw");
    let raw = format!("--raw={}", prefix.display());
    let said = printed(
        bench(&["pingpong", "--sizes=8", "-o", "json", "--maxiter=51", "--miniter=51"])
            .args(&SHORT[..4])
            .args([&raw, "pipe"]),
    );
    let rows: serde_json::Value = serde_json::from_str(&said).unwrap();
    let file = std::fs::read_to_string(folder.path().join("raw-8.dat")).unwrap();
    let mut samples: Vec<u64> = file.lines().map(|line| line.parse().unwrap()).collect();
    samples.sort_unstable();
    assert_eq!((samples.len(), rows[0]["iterations"].as_u64()), (51, Some(51)));
    assert_eq!(Some(samples[25]), rows[0]["median"].as_u64());
    assert_eq!(
        (samples[0], samples[50]),
        (rows[0]["min"].as_u64().unwrap(), rows[0]["max"].as_u64().unwrap())
    );
}

#[test]
fn udp_sockets_are_bound_where_they_were_told_to_be() {
    let bound = ["--bind=127.1.2.3;127.1.2.4", "--sizes=64", "--forkboth", "--port=21002"];
    let mut running = Running::start(bench(&["pingpong"]).args(bound).args(LONG).args(["udp", "127.0.0.1"]));
    running.eventually("a socket on each address", |_| {
        let sockets = std::fs::read_to_string("/proc/net/udp").unwrap();
        sockets.contains(" 0302017F:") && sockets.contains(" 0402017F:")
    });
}

#[test]
fn both_ends_run_where_affinity_says() {
    for (port, verb) in [
        ("21003", &["pingpong", "--sizes=64", LONG[0], LONG[1], "udp", "127.0.0.1"][..]),
        ("21004", &["stream", "--rates=1000", "--millisec=20000"]),
        ("21005", &["throughput", "--seconds=20"]),
        ("21006", &["connect", "--seconds=20"]),
    ] {
        let cpus = ["--affinity=0;1", "--forkboth", "--port", port];
        let mut running = Running::start(bench(&verb[..1]).args(cpus).args(&verb[1..]));
        running.eventually(&format!("a thread of {verb:?} on either CPU"), |running| {
            let allowed = running.allowed();
            allowed.contains("0") && allowed.contains("1")
        });
    }
}
