//! What changes a host, on the machine's own kernel: `/etc`, `/var/lib` and `/run` are copies in a mount namespace of
//! the test, and the sysctls are of a network namespace of the test.

use std::time::Duration;

use flyover_host::cmd::Cmd;

use crate::run::file;

const PROFILE: &str = "sysctls: {net.ipv4.ip_forward: '1', net.ipv4.ip_default_ttl: '77'}\n\
    files: [{path: /etc/flyover-test/deep/one, content: \"one\\n\"}, {path: /etc/hostname, content: \"other\\n\", mode: '0600'}]\n";

/// Runs a script in namespaces of its own, with `$F` the program and `$P` the profile.
fn alone(script: &str) {
    let profile = file(PROFILE);
    let folder = tempfile::tempdir().unwrap();
    let prepare = "set -eu\nmount -t tmpfs -o size=64m tmpfs $T; cp -a /etc $T/etc; cp $PROFILE $T/profile.yaml; P=$T/profile.yaml\n\
        mount --bind $T/etc /etc; mkdir $T/lib $T/run; mount --bind $T/lib /var/lib; mount --bind $T/run /run\n\
        export NO_COLOR=1 FLYOVER_LOG=error\n\
        face() { (cd /etc; find . -printf '%p %y %m %l\\n' | sort; find . -type f -exec sha256sum {} + | sort; sysctl net.ipv4.ip_forward net.ipv4.ip_default_ttl); }\n\
        status() { want=$1; shift; set +e; \"$@\" >$T/said 2>&1; got=$?; set -e; [ $got = $want ] || { echo \"$* ended with $got\"; cat $T/said; exit 9; }; }\n";
    let (program, mount) = (env!("CARGO_BIN_EXE_flyover"), folder.path().display());
    let text = format!("T={mount}; PROFILE={}; F={program}\n{prepare}{script}", profile.path().display());
    Cmd::new("unshare")
        .args(["--mount", "--net", "bash", "-c", &text])
        .timeout(Duration::from_secs(240))
        .run()
        .unwrap();
}

#[test]
fn a_profile_is_applied_once_verified_listed_and_taken_back() {
    alone(
        "face >$T/before\n\
         status 0 $F node apply -f $P; grep -q 'Done: generation 1' $T/said\n\
         [ \"$(cat /etc/hostname)\" = other ] && [ \"$(cat /proc/sys/net/ipv4/ip_default_ttl)\" = 77 ]\n\
         status 0 $F node apply -f $P; grep -q 'Nothing to do' $T/said\n\
         status 0 $F node verify; status 0 $F node verify -f $P\n\
         printf 'sysctls: {net.ipv4.ip_default_ttl: \"78\"}\\n' >$T/q.yaml; status 3 $F node verify -f $T/q.yaml; grep -q 78 $T/said\n\
         sysctl -qw net.ipv4.ip_default_ttl=65; status 3 $F node verify; grep -q ip_default_ttl $T/said\n\
         status 0 $F node apply -f $P; status 0 $F node verify\n\
         status 0 $F node receipt; grep -q /etc/sysctl.d/zz-flyover.conf $T/said\n\
         status 0 $F node history; [ $(grep -c done $T/said) = 2 ]\n\
         status 0 $F node rollback; grep -q 'Generation 1 stands' $T/said; status 1 $F node rollback --to 7\n\
         [ \"$(cat /proc/sys/net/ipv4/ip_default_ttl)\" = 65 ]; sysctl -qw net.ipv4.ip_default_ttl=77\n\
         status 0 $F node rollback --to 0 --dry-run; grep -q /etc/hostname $T/said\n\
         status 0 $F node rollback --to 0; face >$T/after; diff $T/before $T/after\n\
         status 0 $F node rollback --to 0\n",
    );
}

#[test]
fn what_a_person_changed_since_is_kept_and_named() {
    alone(
        "status 0 $F node apply -f $P; echo mine >/etc/hostname\n\
         status 3 $F node rollback --to 0; grep -q 'kept.*/etc/hostname' $T/said\n\
         [ \"$(cat /etc/hostname)\" = mine ] && [ ! -e /etc/flyover-test ]\n",
    );
}

#[test]
fn a_kill_at_any_moment_is_gone_on_from() {
    alone(
        "face >$T/before\n\
         for t in 0.001 0.003 0.005 0.008 0.012 0.016 0.02 0.03 0.05; do\n\
           timeout -s KILL $t $F node apply -f $P >/dev/null 2>&1 || true\n\
           status 0 $F node apply -f $P; status 0 $F node verify\n\
           timeout -s KILL $t $F node rollback --to 0 >/dev/null 2>&1 || true\n\
           status 0 $F node rollback --to 0; face >$T/after; diff $T/before $T/after\n\
         done\n",
    );
}

#[test]
fn a_second_applier_is_refused_and_the_lock_dies_with_its_holder() {
    alone(
        "mkdir -p /run/flyover; echo 4321 >/run/flyover/node.lock\n\
         flock -o /run/flyover/node.lock sleep 20 >/dev/null 2>&1 & H=$!; sleep 0.5\n\
         status 1 $F node apply -f $P; grep -q 'another flyover changes this node (process 4321)' $T/said\n\
         kill -KILL $H; sleep 0.2; status 0 $F node apply -f $P\n",
    );
}

#[test]
fn a_read_only_root_and_a_full_disk_are_refused_before_anything_changes() {
    alone(
        "face >$T/before\n\
         mount -o remount,bind,ro /etc; status 1 $F node apply -f $P; grep -q 'nothing was changed' $T/said; grep -qi 'read-only' $T/said\n\
         mount -o remount,bind,rw /etc; face >$T/after; diff $T/before $T/after\n\
         mount -t tmpfs -o size=4k tmpfs /var/lib; head -c 4096 /dev/zero >/var/lib/full 2>/dev/null || true\n\
         status 1 $F node apply -f $P; grep -q 'nothing was changed' $T/said\n\
         face >$T/after; diff $T/before $T/after\n",
    );
}
