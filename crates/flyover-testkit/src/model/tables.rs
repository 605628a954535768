//! What a reader of facts finds on a model host: processors, memory, the distribution and its programs, routes.

use std::fs;
use std::io;
use std::path::Path;

use super::setup::put;
use super::{BootKind, Hardware, at};

const CORES_PER_NODE: usize = 2;

/// KiB for each page that can be had: hugepages never get more than a quarter of the memory.
const KIB_PER_PAGE: u64 = 8 << 10;

const ROUTES: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
     eno1\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";

pub(super) fn build(root: &Path, hardware: &Hardware) -> io::Result<()> {
    put(root, "/proc/net/route", ROUTES)?;
    put(root, "/proc/sys/kernel/arch", "x86_64\n")?;
    let (release, program) = match hardware.boot {
        BootKind::Debian => ("ID=debian\nVERSION_ID=\"12\"\n", "/usr/sbin/update-grub"),
        BootKind::RedHat => ("ID=rhel\nVERSION_ID=\"7.9\"\n", "/usr/sbin/grub2-mkconfig"),
        BootKind::Grubby => ("ID=rhel\nVERSION_ID=\"9.4\"\n", "/usr/sbin/grubby"),
        BootKind::Entries => ("ID=arch\n", "/usr/bin/bootctl"),
    };
    put(root, "/etc/os-release", release)?;
    put(root, program, "")?;
    processors(root, hardware.pages.len())?;
    memory(root, hardware)
}

/// Two cores of two threads on each node; a thread's sibling is behind all the cores.
fn processors(root: &Path, nodes: usize) -> io::Result<()> {
    let cores = nodes * CORES_PER_NODE;
    let all = format!("0-{}\n", cores * 2 - 1);
    put(
        root,
        "/proc/cpuinfo",
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Model\nflags\t\t: pse pdpe1gb vmx\n\n",
    )?;
    for (name, text) in [
        ("possible", all.as_str()),
        ("online", all.as_str()),
        ("isolated", "\n"),
        ("nohz_full", "(null)\n"),
        ("smt/active", "1\n"),
    ] {
        put(root, &format!("/sys/devices/system/cpu/{name}"), text)?;
    }
    for cpu in 0..cores * 2 {
        let core = cpu % cores;
        let topology = format!("/sys/devices/system/cpu/cpu{cpu}/topology");
        put(root, &format!("{topology}/physical_package_id"), &format!("{}\n", core / CORES_PER_NODE))?;
        put(root, &format!("{topology}/core_id"), &format!("{core}\n"))?;
        put(root, &format!("{topology}/thread_siblings_list"), &format!("{core},{}\n", core + cores))?;
    }
    for node in 0..nodes {
        let (first, last) = (node * CORES_PER_NODE, node * CORES_PER_NODE + CORES_PER_NODE - 1);
        let at_node = format!("/sys/devices/system/node/node{node}");
        let distances: Vec<&str> = (0..nodes).map(|other| if other == node { "10" } else { "20" }).collect();
        put(
            root,
            &format!("{at_node}/cpulist"),
            &format!("{first}-{last},{}-{}\n", first + cores, last + cores),
        )?;
        put(root, &format!("{at_node}/distance"), &format!("{}\n", distances.join(" ")))?;
    }
    Ok(())
}

/// Memory as it is, less what pages of 2 MiB take.
pub(super) fn memory(root: &Path, hardware: &Hardware) -> io::Result<()> {
    let (mut total, mut free) = (0, 0);
    for (node, most) in hardware.pages.iter().enumerate() {
        let at_node = format!("/sys/devices/system/node/node{node}");
        let pool = at(root, &format!("{at_node}/hugepages/hugepages-2048kB/nr_hugepages"));
        let pages: u64 = fs::read_to_string(pool)?.trim().parse().map_err(io::Error::other)?;
        let (all, left) = (most * KIB_PER_PAGE, most * KIB_PER_PAGE - pages * (2 << 10));
        let text = format!("Node {node} MemTotal:       {all} kB\nNode {node} MemFree:        {left} kB\n");
        put(root, &format!("{at_node}/meminfo"), &text)?;
        (total, free) = (total + all, free + left);
    }
    let text = format!(
        "MemTotal:       {total} kB\nMemFree:        {free} kB\nMemAvailable:   {free} kB\nHugepagesize:       2048 kB\n"
    );
    put(root, "/proc/meminfo", &text)
}
