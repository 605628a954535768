//! The images that every node of the rig has: what holds a pod, and a shell with tools.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use flyover_bundle::{Architecture, Config, Content, Files, Image, Layout, archive};
use flyover_host::cmd::Cmd;

/// What holds the namespaces of a pod.
pub(super) const PAUSE: &str = "rig.local/pause:1";
/// A shell with the usual tools, among them `httpd`, `wget`, `nc`, `ping` and `ip`.
pub const BUSYBOX: &str = "rig.local/busybox:1";

/// The libraries that a program links, and what loads them: by where they are expected.
pub fn libraries(program: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let told = Cmd::new("ldd").args([program]).run()?;
    // `name => path (address)`, or `path (address)`.
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    Ok(told.lines().filter_map(path).collect())
}

/// Debian's, which needs no libraries.
const BINARY: &str = "/bin/busybox";

/// Writes both as one archive.
pub(super) fn create(folder: &Path, pause: &str) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mut layout = Layout::create(&folder.join("rig"))?;
    layout.add(PAUSE, &[image(pause_files(pause)?, &["/pause"], &[])])?;
    layout.add(BUSYBOX, &[image(busybox_files()?, &[], &["sh"])])?;
    let file = folder.join("rig.tar");
    archive(&layout.finish()?, &file)?;
    Ok(file)
}

fn image(files: Files, entrypoint: &[&str], arguments: &[&str]) -> Image {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    let config = Config {
        entrypoint: words(entrypoint),
        arguments: words(arguments),
        environment: [("PATH".to_owned(), "/bin".to_owned())].into(),
        ..Config::default()
    };
    Image { architecture: Architecture::Amd64, files, config }
}

fn pause_files(pause: &str) -> anyhow::Result<Files> {
    Ok(Files::new().file("/pause", 0o755, Content::Disk(pause.into()))?)
}

/// The shell and its tools, as files of an image.
pub fn busybox_files() -> anyhow::Result<Files> {
    ensure!(Path::new(BINARY).exists(), "no `{BINARY}`\n  hint: install `busybox-static`");
    let applets = Cmd::new(BINARY).args(["--list"]).run().context("failed to list what busybox can")?;
    let mut files = Files::new()
        .file("/bin/busybox", 0o755, Content::Disk(BINARY.into()))?
        .file("/etc/passwd", 0o644, Content::Bytes(b"root:x:0:0:root:/:/bin/sh\n".to_vec()))?
        .folder("/tmp", 0o1777)?
        .folder("/www", 0o755)?;
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        files = files.link(&format!("/bin/{applet}"), "busybox")?;
    }
    Ok(files)
}
