#!/bin/sh
# Runs Open vSwitch with DPDK in the foreground. DPDK_EXTRA: more arguments for DPDK; a switch without NICs takes --no-pci.
set -eu
run=${OVS_RUNDIR:-/var/run/openvswitch}
db=${OVS_DBDIR:-/etc/openvswitch}/conf.db
export OVS_RUNDIR="$run"
mkdir -p "$run" "${db%/*}"
[ -e "$db" ] || ovsdb-tool create "$db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server "$db" --remote="punix:$run/db.sock" --pidfile="$run/ovsdb-server.pid" --unixctl="$run/ovsdb-server.ctl" \
	-vconsole:info -vsyslog:off -vfile:off &
database=$!
# The daemon that goes last tells the other; a container without either is restarted.
trap 'kill "$database" 2>/dev/null || true' EXIT
tries=0
until ovs-vsctl --db="unix:$run/db.sock" --no-wait --timeout=2 init 2>/dev/null; do
	tries=$((tries + 1))
	[ "$tries" -lt 30 ] || { echo "error: ovsdb-server does not answer" >&2; exit 1; }
	sleep 0.2
done
if [ -n "${DPDK_EXTRA:-}" ]; then
	ovs-vsctl --db="unix:$run/db.sock" --no-wait set Open_vSwitch . "other_config:dpdk-extra=$DPDK_EXTRA" \
		other_config:dpdk-init=true
fi
switch=
stop() { [ -z "$switch" ] || kill "$switch"; }
trap stop TERM INT
ovs-vswitchd "unix:$run/db.sock" --pidfile="$run/ovs-vswitchd.pid" --unixctl="$run/ovs-vswitchd.ctl" \
	-vconsole:info -vsyslog:off -vfile:off &
switch=$!
# A signal ends the first wait; the daemon ends after it.
wait "$switch" || true
wait "$switch" 2>/dev/null || true
