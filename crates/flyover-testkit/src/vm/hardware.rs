//! What a guest's machine is made of.
//!
//! Invariant: QEMU emulates, and no device of it reaches this machine's network: the test NICs are joined by a
//! cable inside QEMU, and the management NIC has QEMU itself at its other end.

/// Of every machine.
const COMMON: &str = "-nodefaults -no-user-config -display none -monitor none -machine q35,accel=tcg";

/// Of this vendor SMT is visible, which the AMD family under emulation does not have.
const INTEL: &str = "-cpu max,vendor=GenuineIntel";
/// One of theirs that does not speculate, so that the kernel keeps its pages mapped and a system call does not throw away
/// all that is translated; and unlike those of AMD under emulation it has a clock that needs no system call.
const PLAIN: &str = "-cpu max,vendor=GenuineIntel,family=6,model=28,stepping=10";

/// Before all other PCI devices, so that all are behind it.
const IOMMU: &str = "-device intel-iommu,intremap=on,caching-mode=on,device-iotlb=on";

/// Two sockets of two cores with two threads, each with its memory and a PCI bus of its own. A port for each NIC
/// gives each an IOMMU group of its own.
const NODE: &str = "-m 1536M -smp 8,sockets=2,cores=2,threads=2 \
    -object memory-backend-ram,id=m0,size=768M -object memory-backend-ram,id=m1,size=768M \
    -numa node,nodeid=0,memdev=m0,cpus=0-3 -numa node,nodeid=1,memdev=m1,cpus=4-7 -numa dist,src=0,dst=1,val=20 \
    -device pxb-pcie,id=px0,bus_nr=32,numa_node=0,bus=pcie.0 -device pxb-pcie,id=px1,bus_nr=64,numa_node=1,bus=pcie.0 \
    -device pcie-root-port,id=rp0,bus=px0,chassis=1,slot=1 -device pcie-root-port,id=rp1,bus=px1,chassis=2,slot=2 \
    -device pcie-root-port,id=rp2,bus=pcie.0,chassis=3,slot=3 \
    -netdev hubport,id=end0,hubid=0 -netdev hubport,id=end1,hubid=0";

/// The management NIC where there is no port to plug it into.
const PLAIN_NIC: &str = "virtio-net-pci,netdev=management,bus=pcie.0,disable-legacy=on";

/// What a machine is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hardware {
    /// CPUs and memory.
    Plain {
        /// How many CPUs.
        cpus: u32,
        /// How much memory.
        memory_mib: u32,
    },
    /// The same with the management NIC, for a guest with services that wait for a network, and quicker at system calls.
    Host {
        /// How many CPUs.
        cpus: u32,
        /// How much memory.
        memory_mib: u32,
    },
    /// A node: eight CPUs on two NUMA nodes with 768 MiB each, and the three [`Nic`]s.
    Node {
        /// Whether there is an IOMMU. Debian's kernels use it unless told `intel_iommu=off`.
        iommu: bool,
    },
}

/// A NIC of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nic {
    /// Its PCI address.
    pub address: &'static str,
    /// The NUMA node it is near to; -1 is none.
    pub numa_node: i8,
    /// Its MAC address.
    pub mac: &'static str,
    /// The driver that a kernel gives it, as `/sys/bus/pci` names it.
    pub driver: &'static str,
    device: &'static str,
}

impl Nic {
    /// The one that a node is reached by: its peer is QEMU, which gives addresses by DHCP.
    pub const MANAGEMENT: Self = Self {
        address: "0000:01:00.0",
        numa_node: -1,
        mac: "52:54:00:00:00:01",
        driver: "virtio-pci",
        device: "virtio-net-pci,netdev=management,bus=rp2,disable-legacy=on",
    };
    /// A paravirtual one behind the IOMMU, cabled to [`Nic::PHYSICAL`].
    pub const VIRTIO: Self = Self {
        address: "0000:21:00.0",
        numa_node: 0,
        mac: "52:54:00:00:00:10",
        driver: "virtio-pci",
        device: "virtio-net-pci,netdev=end0,bus=rp0,iommu_platform=on,disable-legacy=on,ats=on",
    };
    /// One as hardware has it, cabled to [`Nic::VIRTIO`].
    pub const PHYSICAL: Self = Self {
        address: "0000:41:00.0",
        numa_node: 1,
        mac: "52:54:00:00:00:11",
        driver: "e1000e",
        device: "e1000e,netdev=end1,bus=rp1",
    };
    /// All of a node.
    pub const ALL: [Self; 3] = [Self::MANAGEMENT, Self::VIRTIO, Self::PHYSICAL];
}

impl Hardware {
    /// QEMU's arguments; `management` is what a node's management NIC has at its other end.
    pub(super) fn args(self, management: &str) -> Vec<String> {
        let mut args = words(COMMON);
        args.extend(words(if matches!(self, Self::Host { .. }) { PLAIN } else { INTEL }));
        match self {
            Self::Plain { cpus, memory_mib } => args.extend(words(&format!("-m {memory_mib}M -smp {cpus}"))),
            Self::Host { cpus, memory_mib } => {
                args.extend(words(&format!(
                    "-m {memory_mib}M -smp {cpus} -netdev {management},id=management"
                )));
                args.extend(words(&format!("-device {PLAIN_NIC},mac={}", Nic::MANAGEMENT.mac)));
            }
            Self::Node { iommu } => {
                args.extend(words(if iommu { IOMMU } else { "" }));
                args.extend(words(NODE));
                args.extend(words(&format!("-netdev {management},id=management")));
                for nic in Nic::ALL {
                    args.extend(words(&format!("-device {},mac={}", nic.device, nic.mac)));
                }
            }
        }
        args
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_iommu_comes_before_all_other_devices() {
        let args = Hardware::Node { iommu: true }.args("user");
        let first = args.iter().position(|a| a == "-device").unwrap();
        assert!(args[first + 1].starts_with("intel-iommu,"), "{args:?}");
        let without = Hardware::Node { iommu: false }.args("user").join(" ");
        assert!(!without.contains("intel-iommu"), "{without}");
    }
}
