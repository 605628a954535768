//! What becomes of kube-ovn's config.cfg, line by line.

use flyover_plan::switch::import::{Imported, config_cfg};
use flyover_plan::switch::lint::Finding;

use super::*;

/// The first document's.
const FIRST: &str = "dpdk-socket-mem=\"1024,1024\"\ndpdk-init=true\npmd-cpu-mask=0x4\ndpdk-lcore-mask=0x2\n\
                     dpdk-hugepage-dir=/dev/hugepages\n";

pub(crate) fn told(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let hint = finding.hint.as_ref().map_or(String::new(), |hint| format!("\n  hint: {hint}"));
        format!("{} {}: {}{hint}", finding.level, finding.at, finding.what)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn whole(imported: &Imported) -> String {
    format!("{}\n{}", told(&imported.findings), imported.spec.to_yaml())
}

#[test]
fn the_first_documents_configuration_becomes_a_spec_and_its_faults_are_named() {
    insta::assert_snapshot!(whole(&config_cfg(FIRST, Some((&server(8), &release())))));
}

#[test]
fn a_line_is_a_setting_or_is_refused_as_what_it_is() {
    let text = "\
# comment\n\nexport dpdk-init=try # and why\nother_config:smc-enable='true'\ndpdk-extra=\"--no-pci -a \"'0000:06:00.0'\n\
pmd-cpu-mask=$(nproc)\npmd-cpu-mask=`nproc`\npmd-cpu-mask=\"$MASK\"\nemc-insert-inv-prob=0; rm -rf /\nls\n\
=1\na b=1\ntx-flush-interval=\"50\nDPDK_DEV=(0000:06:00.0)\nsmc-enable=false\nx=a\\b\ny=1 z\nENCAP_IP=10.0.0.1\nvhost-sock-dir=sockets\nunheard-of=1\n";
    insta::assert_snapshot!(whole(&config_cfg(text, None)));
}

#[test]
fn what_is_imported_reads_as_the_same_again() {
    let spec = config_cfg(FIRST, None).spec;
    assert_eq!(SwitchSpec::from_yaml(&spec.to_yaml()).unwrap(), spec);
    assert_eq!(config_cfg("", None).spec, SwitchSpec::default());
}
