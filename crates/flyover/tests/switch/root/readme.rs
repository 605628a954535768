//! What the README says of a switch, word for word, on a system's switch of the test's own.

use std::fmt::Write as _;
use std::fs;

use super::alone;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
/// A configuration of kube-ovn's, as its document has it.
const CONFIG: &str = "hw-offload=true\ndpdk-init=true\ndpdk-socket-mem=\"1024,1024\"\npmd-cpu-mask=c00000c\n";

/// The section's commands without their comments, and its spec.
fn section() -> (Vec<String>, String) {
    let text = fs::read_to_string(README).unwrap();
    let section = text.split("## A userspace switch").nth(1).unwrap().split("\n## ").next().unwrap();
    let commands = section.lines().filter_map(|line| line.strip_prefix("    flyover "));
    let commands = commands.map(|line| format!("flyover {}", line.split(" #").next().unwrap().trim_end()));
    let spec = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    (commands.collect(), spec.to_owned())
}

/// What Debian's units start, where they start it; and the interface that the spec names.
const SYSTEM: &str = "\
    O=/run/openvswitch; mkdir $O bin; ln -s $F bin/flyover; PATH=$W/bin:$PATH; D=unix:$O/db.sock\n\
    ln -s /usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk bin/ovs-vswitchd\n\
    export OVS_RUNDIR=$O OVS_LOGDIR=$W RUNTIME_DIRECTORY=$O; ip link set lo up\n\
    ip link add eth1 type veth peer name wire; ip link set eth1 up; ip link set wire up\n\
    ovsdb-tool create $W/conf.db /usr/share/openvswitch/vswitch.ovsschema\n\
    ovsdb-server $W/conf.db --remote=punix:$O/db.sock --pidfile --detach --log-file -vconsole:off\n\
    ovs-vsctl --no-wait init\n\
    ovs-vswitchd $D --disable-system --pidfile --detach --log-file -vconsole:off\n\
    face() { ovs-vsctl get Open_vSwitch . other_config; ovs-vsctl list-br; ip -br link | cut -d' ' -f1 | sort; }\n\
    face >was\n";

#[test]
fn the_readme_s_section_on_a_userspace_switch_works_word_for_word() {
    let (commands, spec) = section();
    assert!(commands.len() > 6, "{commands:?}");
    let mut script =
        format!("{SYSTEM}cat >switch.yaml <<'END'\n{spec}END\ncat >config.cfg <<'END'\n{CONFIG}\nEND\n");
    for command in &commands {
        let line = match command.as_str() {
            // It runs until it is told to end.
            run if run.starts_with("flyover switch run") => format!(
                "{run} >said 2>&1 & P=$!\n\
                 for i in $(seq 100); do exec 3<>/dev/tcp/127.0.0.1/9465 && break; sleep 0.1; done 2>/dev/null\n\
                 printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3 >said; says 'type=\"Running\"}} 1'; says 'port=\"dpdk0\"'\n\
                 kill $P; wait $P || {{ echo 'run ended badly'; exit 9; }}\n"
            ),
            // What the spec gives is enough for all that is computed.
            size if size.contains(" size ") => {
                format!("status 0 {size}\n! grep 'has room for the pools' said >&2 || exit 9\n")
            }
            other => format!("status 0 {other}\n"),
        };
        script.push_str(&line);
        if command.contains("apply") {
            script.push_str(
                "[ \"$(ovs-vsctl list-ports br-dpdk0)\" = dpdk0 ]; status 0 flyover switch verify\n",
            );
        }
    }
    // DPDK runs until whoever keeps the daemon restarts it: that this is owed is noted, and told.
    let _infallible = write!(
        script,
        "face >is; diff was is >&2 || exit 9\n\
         [ $(ovs-vsctl get Open_vSwitch . external_ids | grep -o '[a-z-]*=' | sort -u) = flyover-restart-pending= ]\n\
         status 3 flyover switch status; says 'OptionsInForce=false (RestartPending)'\n\
         status 0 flyover switch apply -f switch.yaml; says 'note: options are set that ovs-vswitchd reads at its start only'\n\
         status 0 flyover switch verify; says 'The switch is what the spec says'; says 'note: options are set'\n"
    );
    alone(&script);
}
