//! From nothing to a switch that forwards, through its changes, and back to nothing.

use super::alone;

#[test]
fn a_switch_is_applied_verified_changed_restarted_once_and_taken_back() {
    alone(
        "spec 384 1500 true \"$U\"\n\
         status 0 $F switch plan -f spec; says 'daemons of /run/sw  stopped -> running'; nothing\n\
         status 0 $F switch apply -f spec; says 'Done: generation 1'\n\
         status 0 $F switch verify -f spec; status 0 $F switch verify --at $R\n\
         status 0 $F switch apply -f spec; says 'Nothing to do'\n\
         status 0 $F switch status --at $R; says 'Packets can pass'; says 'up0 *dpdk *yes *yes'\n\
         status 0 $F switch status --at $R -o json; says '\"healthy\": true'; P=$(cat $R/ovs-vswitchd.pid)\n\
         spec 384 3000 true \"$U\"\n\
         status 3 $F switch verify -f spec; says 'MTU 3000'; ID=$(vsctl get interface up0 _uuid)\n\
         status 0 $F switch apply -f spec; [ $(vsctl get interface up0 mtu) = 3000 ]\n\
         [ \"$ID\" = \"$(vsctl get interface up0 _uuid)\" ] && [ $P = $(cat $R/ovs-vswitchd.pid) ]\n\
         spec 400 3000 true \"$U\"\n\
         status 0 $F switch plan -f spec; says 'start options of /run/sw  as started -> started with'; says 'workloads may notice'\n\
         status 0 $F switch apply -f spec; [ $P != $(cat $R/ovs-vswitchd.pid) ]; P=$(cat $R/ovs-vswitchd.pid)\n\
         status 0 $F switch status --at $R; says 'up0 *dpdk *yes *yes .* 3000'\n\
         status 0 $F switch apply -f spec; says 'Nothing to do'; [ $P = $(cat $R/ovs-vswitchd.pid) ]\n\
         status 0 $F switch history --at $R; [ $(grep -c done said) = 3 ]; status 0 $F switch receipt --at $R; says 'bridge br0'\n\
         status 0 $F switch rollback --at $R --to 1; [ $(vsctl get interface up0 mtu) = 1500 ]\n\
         vsctl get Open_vSwitch . other_config:dpdk-extra | grep -q 'm 384'; [ $P != $(cat $R/ovs-vswitchd.pid) ]\n\
         [ \"$(vsctl get Open_vSwitch . external_ids)\" = '{}' ]\n\
         status 0 $F switch rollback --at $R --to 0; says 'The switch is as it was found'; nothing\n",
    );
}

#[test]
fn what_does_not_fit_is_refused_before_anything_changes() {
    alone(
        "spec 384 1500 true \"$U\"; sed -i \"s/cpus: '0'/cpus: '0-8190'/\" spec\n\
         status 4 $F switch apply -f spec || true; nothing\n\
         spec 384 1500 true \"$U\"; sed -i 's/pmd:/pmdd:/' spec; status 2 $F switch apply -f spec; says 'pmd'; nothing\n\
         status 0 $F switch rollback --at /nonexist; status 1 $F switch rollback --at /nonexist --to 3; says 'no generation 3'\n\
         [ -z \"$(find /run/flyover /var/lib/flyover 2>/dev/null)\" ]\n\
         spec 384 1500 true \"$U\"; sed -i 's/netns: sw/netns: other/' spec\n\
         status 1 $F switch apply -f spec; says 'there is no network namespace `other`'; nothing\n\
         spec 384 1500 true '{name: up0, devargs: \"net_af_packet0,iface=nic9\"}'\n\
         status 1 $F switch apply -f spec; says 'SIOCGIFINDEX.*No such device'; says 'hint: .*interface `nic9`'; nothing\n\
         spec 384 1500 true '{name: up0, devargs: nothing_like_it}'\n\
         status 1 $F switch apply -f spec; says 'up0'; says 'everything this run had changed was put back'; nothing\n",
    );
}

#[test]
fn a_dpdk_that_does_not_start_is_told_with_what_its_log_says_and_taken_back() {
    alone(
        "bad() { spec 384 1500 true \"$U\"; sed -i 's/--no-pci/--no-pci, --vdev=nothing_like_it0/' spec; }\n\
         bad; status 1 $F switch apply -f spec; says 'dpdk-init'; says 'its log says.*nothing_like_it0'; nothing\n\
         spec 384 1500 true \"$U\"; status 0 $F switch apply -f spec\n\
         bad; status 1 $F switch apply -f spec; says 'does not start'; says 'was put back'\n\
         status 0 $F switch status --at $R; says 'Packets can pass'\n\
         status 0 $F switch rollback --at $R --to 0; nothing\n",
    );
}

#[test]
fn a_switch_that_runs_is_imported_as_a_spec_that_holds_there() {
    alone(
        "spec 384 1500 true \"$U\"; status 0 $F switch apply -f spec\n\
         mkdir -m 0777 $W/open; chmod 0777 $W/open\n\
         vsctl add-port br0 vhu0 -- set Interface vhu0 type=dpdkvhostuserclient options:vhost-server-path=$W/open/vhu0\n\
         status 0 $F switch import --ovs --at $R; says 'name: up0'; says 'eth_null0,no-rx=1'; says 'count: 1'\n\
         says \"# .*$W/open has mode 0777: every user of the host reaches the sockets in it\"\n\
         grep -v '^#' said >imported; status 0 $F switch plan -f imported; says 'Nothing to do'\n\
         status 4 $F switch import --ovs --at $W; says 'no database answers'; status 2 $F switch import\n\
         vsctl del-port vhu0; status 0 $F switch rollback --at $R --to 0; nothing\n",
    );
}

#[test]
fn frames_pass_the_bridges_of_a_switch_or_it_is_said() {
    alone(
        "spec 384 1500 true \"$U\"; status 0 $F switch apply -f spec\n\
         status 0 $F switch status --at $R --probe; says 'br0'\n\
         status 0 $F switch status --at $R --probe -o json; says 'median'\n\
         [ \"$(vsctl list-ports br0)\" = up0 ]\n\
         status 0 $F switch rollback --at $R --to 0; nothing\n",
    );
}

#[test]
fn a_rollback_that_pods_are_in_the_way_of_is_refused_before_its_first_step() {
    alone(
        "spec 384 1500 true \"$U\"; status 0 $F switch apply -f spec; P=$(cat $R/ovs-vswitchd.pid)\n\
         vsctl add-port br0 vhu0 -- set Interface vhu0 type=dpdkvhostuserclient options:vhost-server-path=$W/vhu0\n\
         for dry in --dry-run ''; do\n\
           status 1 $F switch rollback --at $R --to 0 $dry; says 'vhu0 of br0; nothing was changed'; says 'hint: *detach the pods first'\n\
           [ \"$(vsctl list-ports br0 | sort | xargs)\" = 'up0 vhu0' ] && [ $P = $(cat $R/ovs-vswitchd.pid) ]\n\
         done\n\
         spec 384 3000 true \"$U\"; status 0 $F switch apply -f spec; status 0 $F switch rollback --at $R --to 1\n\
         [ $(vsctl get interface up0 mtu) = 1500 ]\n\
         vsctl del-br br0; vsctl add-br br1 -- set bridge br1 datapath_type=netdev -- add-port br1 vhu0 -- set Interface vhu0 type=dpdkvhostuserclient options:vhost-server-path=$W/vhu0\n\
         status 1 $F switch rollback --at $R --to 0; says 'vhu0 of br1'\n\
         vsctl del-br br1; status 0 $F switch rollback --at $R --to 0; nothing\n",
    );
}

#[test]
fn a_switch_whose_daemons_ended_is_told_at_once_and_its_rollback_is_foretold() {
    alone(
        "spec 384 1500 true \"$U\"; status 0 $F switch apply -f spec\n\
         kill -9 $(pgrep ovs-vswitch); while pgrep ovs-vswitch; do sleep 0.05; done\n\
         T=$SECONDS; status 3 $F switch status --at $R --probe; says 'bridge br0: ovs-vswitchd does not run'; [ $((SECONDS - T)) -lt 10 ]\n\
         kill -9 $(pgrep ovsdb-server); while pgrep ovsdb-server; do sleep 0.05; done\n\
         status 0 $F switch rollback --at $R --to 0 --dry-run; says 'bridge br0 '; says 'port up0 '; says 'daemons of /run/sw  running -> stopped'\n\
         says 'note: the switch does not run'; [ -z \"$(daemons)\" ]\n\
         status 0 $F switch rollback --at $R --to 0; nothing\n",
    );
}
