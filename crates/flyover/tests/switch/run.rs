//! Runs the program on captured hosts.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use flyover_core::{HostPath, HugepageSize, NumaNode};
use flyover_testkit::hosts;
use tempfile::NamedTempFile;

/// What a run ended with.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

/// `flyover switch` with these arguments and that on its standard input.
pub(crate) fn switch(args: &[&str], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flyover"))
        .arg("switch")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// The server of the documents with so many pages of 1 GiB on each node, its first port with vfio-pci, in a file.
pub(crate) fn server(pages: u64) -> NamedTempFile {
    let mut tree = hosts::two_socket_smt();
    for node in [0, 1] {
        for counter in ["nr_hugepages", "free_hugepages"] {
            let pool = HugepageSize::ONE_GIB.pool(Some(NumaNode(node))).parent().unwrap();
            tree.put_text(pool.join(counter).unwrap(), &format!("{pages}\n"));
        }
    }
    let driver = HostPath::fixed("/sys/devices/pci0000:00/0000:06:00.0/driver");
    tree.put(driver, flyover_host::tree::Node::Link("../../../bus/pci/drivers/vfio-pci".into()));
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(tree.to_string().as_bytes()).unwrap();
    file
}

/// `flyover switch VERB … --host SERVER` with that on its standard input.
pub(crate) fn on_server(pages: u64, args: &[&str], input: &str) -> Ran {
    let host = server(pages);
    switch(&[args, &["--host", host.path().to_str().unwrap()]].concat(), input)
}
