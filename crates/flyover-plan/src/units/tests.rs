//! What the units say, and that nothing in a profile can say more.

use std::collections::BTreeMap;

use flyover_api::{HugepageMountSpec, When};
use proptest::prelude::*;

use super::*;
use crate::{DriverChoice, Pool};

fn pool(size: &str, node: Option<u32>, count: u64, when: When) -> Pool {
    Pool { size: size.parse().unwrap(), node: node.map(flyover_core::NumaNode), count, when }
}

fn driver(device: &str) -> DriverChoice {
    DriverChoice {
        device: device.parse().unwrap(),
        id: "8086:10fb".parse().unwrap(),
        driver: "vfio-pci".parse().unwrap(),
        why: "asked for by address".to_owned(),
    }
}

fn mount(path: &str) -> HugepageMountSpec {
    HugepageMountSpec {
        path: path.parse().unwrap(),
        page_size: "1G".parse().unwrap(),
        mode: Some("0770".parse().unwrap()),
        gid: Some(107),
        size: Some("4G".to_owned()),
    }
}

/// Sections with their assignments in order, read as systemd reads them.
fn parsed(unit: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let (mut sections, mut name) = (BTreeMap::<String, Vec<(String, String)>>::new(), String::new());
    for line in unit.replace("\\\n", " ").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name = section.to_owned();
            continue;
        }
        let (key, value) = line.split_once('=').unwrap();
        assert!(key.bytes().all(|b| b.is_ascii_alphabetic()), "{line:?}");
        sections.entry(name.clone()).or_default().push((key.to_owned(), value.to_owned()));
    }
    sections
}

#[test]
fn runtime_pools_are_taken_on_their_node_and_read_back() {
    let pools = [
        pool("1G", Some(0), 4, When::Boot),
        pool("2M", Some(1), 512, When::Runtime),
        pool("2M", None, 1024, When::Runtime),
    ];
    insta::assert_snapshot!(hugepages_unit(&pools).unwrap());
    assert_eq!(hugepages_unit(&pools[..1]), None);
}

#[test]
fn each_device_gets_its_driver_whatever_becomes_of_the_others() {
    let unit = drivers_unit(&[driver("0000:06:00.0"), driver("0000:86:00.1")], true).unwrap();
    let service = &parsed(&unit)["Service"];
    let lines: Vec<&str> =
        service.iter().filter(|(key, _)| key == "ExecStart").map(|(_, value)| value.as_str()).collect();
    assert_eq!(
        lines.iter().map(|line| line.starts_with('-')).collect::<Vec<_>>(),
        [true, true, true, false, false]
    );
    insta::assert_snapshot!(unit);
}

#[test]
fn each_command_passes_over_another_device_at_the_address() {
    let unit = drivers_unit(&[driver("0000:06:00.0")], false).unwrap();
    let at = "/sys/bus/pci/devices/0000:06:00.0";
    let check =
        format!("/bin/sh -c 'grep -qsx 0x8086 {at}/vendor && grep -qsx 0x10fb {at}/device || exit 0; ");
    let service = &parsed(&unit)["Service"];
    let commands: Vec<&str> =
        service.iter().filter(|(key, _)| key == "ExecStart").map(|(_, value)| value.as_str()).collect();
    assert_eq!(commands.len(), 2);
    assert!(
        commands.iter().all(|command| command.trim_start_matches('-').starts_with(&check)),
        "{commands:?}"
    );
}

#[test]
fn without_devices_there_is_no_unit() {
    assert_eq!(drivers_unit(&[], true), None);
}

#[test]
fn every_unit_comes_before_the_daemon_that_takes_its_pages_and_devices() {
    let drivers = drivers_unit(&[driver("0000:06:00.0")], true).unwrap();
    let pages = hugepages_unit(&[pool("2M", None, 1, When::Runtime)]).unwrap();
    for text in [drivers, pages, mount_unit(&mount("/mnt/huge")).1] {
        let unit = &parsed(&text)["Unit"];
        let mut before =
            unit.iter().filter(|(key, _)| key == "Before").flat_map(|(_, names)| names.split(' '));
        assert!(before.any(|name| name == "ovs-vswitchd.service"), "{text}");
    }
}

#[test]
fn nothing_in_a_script_is_expanded_by_systemd() {
    let unit = drivers_unit(&[driver("0000:06:00.0")], true).unwrap();
    let pages = hugepages_unit(&[pool("2M", None, 1, When::Runtime)]).unwrap();
    for text in [unit, pages] {
        for (_, value) in parsed(&text)["Service"].iter().filter(|(key, _)| key == "ExecStart") {
            let script = value.trim_start_matches('-').strip_prefix("/bin/sh -c '").unwrap();
            assert!(!script.strip_suffix('\'').unwrap().contains(['\'', '%', '$', '\\', '"']), "{script}");
        }
    }
}

#[test]
fn a_mount_is_named_as_systemd_escape_names_it() {
    for (path, name) in [
        ("/dev/hugepages1G", "dev-hugepages1G.mount"),
        ("/mnt/huge-1G", r"mnt-huge\x2d1G.mount"),
        ("/.huge/.a b", r"\x2ehuge-.a\x20b.mount"),
        ("/", "-.mount"),
        ("/mnt/ä", r"mnt-\xc3\xa4.mount"),
    ] {
        assert_eq!(mount_unit(&mount(path)).0.as_str(), name);
    }
    insta::assert_snapshot!(mount_unit(&mount("/dev/hugepages1G")).1);
}

proptest! {
    #[test]
    fn any_path_gives_one_mount_and_nothing_else(path in "/[^\\x00/]{1,300}", size in ".{0,9}") {
        prop_assume!(path.parse::<HostPath>().is_ok());
        let spec = HugepageMountSpec { size: Some(size), ..mount(&path) };
        let (_, text) = mount_unit(&spec);
        let keys: Vec<String> = parsed(&text)["Mount"].iter().map(|(key, _)| key.clone()).collect();
        prop_assert_eq!(keys, ["What", "Where", "Type", "Options"]);
    }
}

#[test]
fn a_path_that_ends_with_a_backslash_keeps_the_next_line_apart() {
    let (_, text) = mount_unit(&mount(r"/huge\"));
    assert!(text.contains("Where=/huge\\ \nType=hugetlbfs\n"), "{text}");
}
