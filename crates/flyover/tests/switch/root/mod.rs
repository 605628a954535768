//! A private switch on DPDK without hugepages, made and taken back by the program.
//!
//! `/var/lib`, `/run` and the processes are of namespaces of each test: when its shell ends, all of them end.

mod crash;
mod life;
mod pools;
mod readme;
mod trap;

use std::time::Duration;

use flyover_host::cmd::Cmd;

/// Runs a script in namespaces of its own: `$F` is the program, `$R` the run directory of the switch in the network
/// namespace `sw`. `spec NAME MIB MTU [OPTION…]` writes a spec, `status WANTED COMMAND…` runs a command that is to end so
/// and keeps what it says in `said`.
fn alone(script: &str) -> String {
    let prepare = "set -eu; exec 1>&2\nW=$(mktemp -d /tmp/swXXXXXX); trap 'cd /; umount -l /run /var/lib || true; rm -rf $W || true' EXIT\n\
        mkdir $W/lib $W/run; mount --bind $W/lib /var/lib; mount --bind $W/run /run; cd $W; R=/run/sw\n\
        export NO_COLOR=1 FLYOVER_LOG=error; ip netns add sw; D=unix:$R/db.sock\n\
        vsctl() { ovs-vsctl --timeout=20 --db=$D \"$@\"; }\n\
        spec() { cat >$W/spec <<EOF\n\
        runtime: {directory: $R, processes: {netns: sw}}\n\
        dpdk: {extra: [--no-huge, --legacy-mem, -m, '$1', --no-pci], perPortMemory: $3}\n\
        pmd: {cpus: '0', maxSleepUs: 100}\n\
        bridges: [{name: br0, mtu: $2, uplinks: [${4:-}]}]\n\
        EOF\n\
        }\n\
        U='{name: up0, devargs: \"eth_null0,no-rx=1\"}'\n\
        killed() { timeout -s KILL \"$@\" >/dev/null 2>&1 || true; while pgrep flyover >/dev/null; do sleep 0.01; done; }\n\
        links() { ip -n sw -br link | grep -v '^lo ' || true; }\n\
        daemons() { pgrep ovs-vswitch || true; pgrep ovsdb-server || true; }\n\
        status() { want=$1; shift; set +e; \"$@\" >$W/said 2>&1; got=$?; set -e; [ $got = $want ] || { echo \"$* ended with $got\"; cat $W/said; tail -20 $R/ovs-vswitchd.log; exit 9; }; }\n\
        says() { grep -q -e \"$1\" $W/said || { echo \"does not say: $1\"; cat $W/said; exit 9; }; }\n\
        nothing() { [ ! -e $R ] && [ -z \"$(links)\" ] && [ -z \"$(daemons)\" ] || { echo left:; ls -la $R; links; daemons; exit 9; }; }\n";
    let text = format!("F={}\n{prepare}{script}", env!("CARGO_BIN_EXE_flyover"));
    let namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let words = namespaces.iter().copied().chain(["bash", "-c", &text]);
    match Cmd::new("unshare").args(words).timeout(Duration::from_secs(240)).run() {
        Ok(said) => said,
        Err(flyover_host::cmd::CmdError::Failed { status, stderr, .. }) => {
            panic!("ended with {status}: {stderr}")
        }
        Err(other) => panic!("{other}"),
    }
}
