//! `emit`: every form, read by what reads such things.

use flyover_host::cmd::Cmd;
use flyover_render::Target;

use crate::run::{folder, node, on, text};

const PROFILE: &str = "
hugepages:
  defaultSize: 1G
  pages: [{size: 1G, count: 4, node: 0, when: boot}, {size: 1G, count: 4, node: 1, when: boot}, {size: 2M, count: 64, node: 0}]
  mounts: [{path: /dev/hugepages-2M, pageSize: 2M, mode: '0770'}]
iommu: passthrough
cpu: {isolated: auto, reserved: auto}
drivers: [{select: {address: '0000:06:00.0'}, driver: vfio-pci}]
sysctls: {vm.swappiness: '10'}
services: [{name: chronyd, state: disabled}]
files: [{path: /etc/motd.d/flyover, content: \"it's \\\"quoted\\\" $HOME `x`\\n\"}]
";

#[test]
fn every_form_is_written_and_shells_take_those_that_are_scripts() {
    for form in Target::ALL.map(Target::as_str) {
        let (_guard, folder) = folder();
        let ran = on("two_socket_smt", "emit", PROFILE, &["--for", form, "--into", &folder]);
        assert_eq!(ran.code, 0, "{form}: {}", ran.err);
        let names: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(!names.is_empty(), "{form}");
        for name in names
            .iter()
            .filter(|name| name.ends_with(".sh") || matches!(form, "shell" | "grubby" | "bls" | "grub"))
        {
            Cmd::new("sh")
                .args(["-n", &format!("{folder}/{name}")])
                .run()
                .unwrap_or_else(|e| panic!("{form}: {e}\n{}", text(&folder, name)));
        }
    }
}

#[test]
fn a_form_says_what_the_documents_ask_for() {
    let ran = on("two_socket_smt", "emit", PROFILE, &["--for", "machineconfig"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    for part in ["kind: MachineConfig", "intel_iommu=on", "iommu=pt", "isolcpus=managed_irq,domain,2-3,26-27"]
    {
        assert!(ran.out.contains(part), "{part} in\n{}", ran.out);
    }
    let kubelet = on("two_socket_smt", "emit", PROFILE, &["--for", "kubelet"]).out;
    assert!(kubelet.contains("0-3,24-27"), "what polls must not be handed out:\n{kubelet}");
}

#[test]
fn a_form_that_does_not_exist_is_refused_with_the_list() {
    let ran = node(&["emit", "-f", "x", "--for", "cloud"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("bottlerocket"), "{}", ran.err);
}
