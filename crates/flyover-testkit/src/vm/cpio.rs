//! Writes archives in the one form that the kernel unpacks as initramfs: cpio `newc`.

use std::io::{self, Write};

/// A thing in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A folder.
    Folder,
    /// A file that may be run.
    File(Vec<u8>),
    /// A symbolic link.
    Link(String),
}

/// Writes nodes in the order given, and the trailer. A folder must come before what lies in it.
pub(super) fn write<'a>(
    out: &mut impl Write,
    nodes: impl Iterator<Item = (&'a str, &'a Node)>,
) -> io::Result<()> {
    for (inode, (path, node)) in (1..).zip(nodes) {
        match node {
            Node::Folder => entry(out, inode, 0o040_755, path, &[])?,
            Node::File(bytes) => entry(out, inode, 0o100_755, path, bytes)?,
            Node::Link(target) => entry(out, inode, 0o120_777, path, target.as_bytes())?,
        }
    }
    entry(out, 0, 0, "TRAILER!!!", &[])
}

fn entry(out: &mut impl Write, inode: u32, mode: u32, path: &str, bytes: &[u8]) -> io::Result<()> {
    let too_large =
        |_| io::Error::new(io::ErrorKind::InvalidInput, format!("`{path}` is too large for cpio"));
    let size = u32::try_from(bytes.len()).map_err(too_large)?;
    let name = u32::try_from(path.len() + 1).map_err(too_large)?;
    // inode, mode, uid, gid, links, mtime, size, device and special device twice, length of the name, checksum
    let fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name, 0];
    let mut head = String::from("070701");
    fields.iter().for_each(|field| head.push_str(&format!("{field:08x}")));
    head.push_str(path);
    head.push('\0');
    padded(out, head.as_bytes())?;
    padded(out, bytes)
}

/// Head and data each end on a multiple of four bytes.
fn padded(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes)?;
    out.write_all(&[0; 3][..bytes.len().next_multiple_of(4) - bytes.len()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use flyover_host::cmd::Cmd;

    #[test]
    fn cpio_itself_reads_what_we_write() {
        let nodes = [
            ("bin", Node::Folder),
            ("bin/sh", Node::Link("busybox".into())),
            ("init", Node::File(b"#!/bin/sh\n".to_vec())),
        ];
        let mut archive = Vec::new();
        write(&mut archive, nodes.iter().map(|(path, node)| (*path, node))).unwrap();
        let list = Cmd::new("cpio").args(["--list", "--verbose", "--quiet"]).stdin(archive).run().unwrap();
        let words: Vec<Vec<&str>> = list.lines().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!((words[0][0], words[0][8]), ("drwxr-xr-x", "bin"));
        assert_eq!((words[1][0], &words[1][8..]), ("lrwxrwxrwx", &["bin/sh", "->", "busybox"][..]));
        assert_eq!((words[2][0], words[2][4], words[2][8]), ("-rwxr-xr-x", "10", "init"));
    }
}
