//! What guests with the hardware of a node run: an IOMMU, two NUMA nodes, and NICs to take away.

use std::time::Duration;

use flyover_testkit::vm::{Guest, Nic};

use super::list::{self, Tests};

/// Modules besides those of every guest. The last is asked for by the kernel itself, and too late for us.
pub(super) const MODULES: [&str; 5] = ["virtio_pci", "virtio_net", "e1000e", "vfio-pci", "vfio_iommu_type1"];

/// Test binaries that run there.
pub(super) const TESTS: [Tests; 0] = [];

/// Nothing in such a guest loads modules by itself.
const LOAD: &str = "modprobe -a virtio_pci virtio_net e1000e vfio-pci vfio_iommu_type1";

/// What `/sys` says of the machine.
const SHAPE: &str = "
set -e
cd /sys/devices/system
[ \"$(cat node/node0/cpulist node/node1/cpulist | tr '\\n' ' ')\" = '0-3 4-7 ' ]
[ \"$(cat cpu/cpu2/topology/thread_siblings_list)\" = 2-3 ]
";

/// Pages for each NUMA node, and none again.
const HUGEPAGES: &str = "
set -e
pages() { echo /sys/devices/system/node/node$1/hugepages/hugepages-2048kB/nr_hugepages; }
echo 16 >$(pages 0); echo 32 >$(pages 1)
[ \"$(cat $(pages 0) $(pages 1) | tr '\\n' ' ')\" = '16 32 ' ]
echo 0 >$(pages 0); echo 0 >$(pages 1)
";

/// A NIC goes to vfio-pci, alone in its group, and comes back.
const VFIO: &str = "
set -e
d=/sys/bus/pci/devices/ADDRESS
give() {
	echo $1 >$d/driver_override; echo ADDRESS >$d/driver/unbind; echo ADDRESS >/sys/bus/pci/drivers_probe
	echo >$d/driver_override; [ \"$(basename $(readlink $d/driver))\" = $1 ]
}
[ \"$(cat $d/numa_node)\" = NUMA ]
give vfio-pci
[ \"$(ls $d/iommu_group/devices)\" = ADDRESS ]
[ -c /dev/vfio/$(basename $(readlink $d/iommu_group)) ]
give DRIVER
";

/// The commands of a guest with the hardware of a node, in the order they run.
pub(super) fn guest() -> Guest {
    let mut guest = Guest::default();
    let (short, long) = (Duration::from_secs(60), Duration::from_secs(900));
    guest.command("load-modules", LOAD, short);
    guest.command("numa-and-smt", SHAPE, short);
    guest.command("hugepages", HUGEPAGES, short);
    for nic in [Nic::VIRTIO, Nic::PHYSICAL] {
        let script = VFIO.replace("ADDRESS", nic.address).replace("DRIVER", nic.driver);
        let script = script.replace("NUMA", &nic.numa_node.to_string());
        guest.command(&format!("vfio-{}", nic.driver), &script, short);
    }
    for tests in &TESTS {
        let path = format!("{} /{}", tests.told, list::guest_path(tests.target));
        guest.tests(&format!("tests-{}", tests.target), path.trim_start(), tests.filter, long);
    }
    guest.command("kernel-log-is-clean", list::CLEAN, short);
    guest
}
