//! A node for one test, with the program under test on it.

use std::path::Path;

use flyover_testkit::vm::Hardware;
use flyover_testkit::vm::disk::{DiskVm, Image};

/// A new node with an IOMMU, booted.
pub(crate) fn node() -> DiskVm {
    node_on(Hardware::Node { iommu: true })
}

/// A new node on hardware of choice, booted.
pub(crate) fn node_on(hardware: Hardware) -> DiskVm {
    let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/vm");
    let image = Image::get(&store).unwrap();
    DiskVm::start(&image, hardware).unwrap()
}

/// One that has `flyover` besides.
pub(crate) fn node_with_flyover() -> DiskVm {
    let mut node = node();
    node.put(Path::new(env!("CARGO_BIN_EXE_flyover")), "/usr/local/bin/flyover", 0o755).unwrap();
    node
}
