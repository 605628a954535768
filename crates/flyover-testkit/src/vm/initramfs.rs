//! What a guest finds when it starts: busybox, modules, and files with the shared libraries they need.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use flyover_host::cmd::Cmd;

use super::cpio::{self, Node};
use super::{Kernel, Modules};

/// Lists beside the modules that depmod reads.
const LISTS: [&str; 3] = ["modules.builtin", "modules.builtin.modinfo", "modules.order"];

/// A file system in the making.
#[derive(Clone, Debug, Default)]
pub struct Initramfs {
    nodes: BTreeMap<String, Node>,
}

impl Initramfs {
    /// Busybox under all its names, and the folders that mounts go to.
    pub fn with_busybox() -> anyhow::Result<Self> {
        let mut this = Self::default();
        for folder in
            ["dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin", "var/lib"]
        {
            this.folder(folder);
        }
        let busybox = find_tool("busybox")?;
        let applets = Cmd::new(&busybox).args(["--list"]).run()?;
        this.put("bin/busybox", fs::read(&busybox)?);
        for applet in applets.lines().filter(|a| *a != "busybox") {
            this.node(&format!("bin/{applet}"), Node::Link("busybox".into()));
        }
        // Busybox's own shell runs its applets even where PATH names another tool first.
        this.program(&find_tool("dash")?, "bin/sh")?;
        // The kernel itself calls this one when it wants a module.
        this.node("sbin/modprobe", Node::Link("../bin/busybox".into()));
        Ok(this)
    }

    /// Puts a file of the given content at `path`.
    pub fn put(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.node(path, Node::File(content.into()));
    }

    /// Puts a file of this machine to where it lies here.
    pub fn copy(&mut self, file: &Path) -> anyhow::Result<()> {
        let content = fs::read(file).with_context(|| format!("failed to read `{}`", file.display()))?;
        self.put(&file.to_string_lossy(), content);
        Ok(())
    }

    /// Puts the program at `from` to `path`, with the shared libraries it needs.
    pub fn program(&mut self, from: &Path, path: &str) -> anyhow::Result<()> {
        self.put(path, fs::read(from).with_context(|| format!("failed to read `{}`", from.display()))?);
        libraries(from).iter().try_for_each(|library| self.copy(library))
    }

    /// The same of a program that was built here, without what only a debugger reads: a guest unpacks the archive into its memory.
    pub fn built(&mut self, from: &Path, path: &str) -> anyhow::Result<()> {
        let stage = tempfile::tempdir()?;
        let stripped = stage.path().join("program");
        Cmd::new("strip").args(["--strip-debug".as_ref(), from, "-o".as_ref(), stripped.as_path()]).run()?;
        self.program(&stripped, path)
    }

    /// Puts tools of this machine, by name, to where they are found before busybox's.
    pub fn tools(&mut self, names: &[&str]) -> anyhow::Result<()> {
        names.iter().try_for_each(|name| self.program(&find_tool(name)?, &format!("usr/sbin/{name}")))
    }

    /// Puts a folder of this machine to where it lies here.
    pub fn tree(&mut self, folder: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("failed to list `{}`", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                self.tree(&path)?;
            } else {
                self.copy(&path)?;
            }
        }
        Ok(())
    }

    /// Puts modules of `kernel` and all they need, by names as [`Modules::files`] takes them.
    pub fn modules(&mut self, kernel: &Kernel, wanted: &[&str]) -> anyhow::Result<()> {
        let stage = tempfile::tempdir()?;
        let inside = PathBuf::from("lib/modules").join(&kernel.release);
        let (from, to) = (kernel.modules(), stage.path().join(&inside));
        for file in Modules::read(&from)?.files(wanted)? {
            let copy = to.join(&file);
            fs::create_dir_all(copy.parent().expect("a joined path has a parent"))?;
            fs::copy(from.join(&file), copy)?;
        }
        for list in LISTS.iter().filter(|list| from.join(list).exists()) {
            fs::copy(from.join(list), to.join(list))?;
        }
        // Busybox loads plain modules only. Debian packs them since 6.12.
        let limit = Duration::from_secs(120);
        let unpack = "find \"$1\" -name '*.ko.xz' -exec xz -d {} + && find \"$1\" -name '*.ko.zst' -exec zstd -q -d --rm {} +";
        Cmd::new("sh")
            .args(["-c".as_ref(), unpack.as_ref(), "sh".as_ref(), to.as_os_str()])
            .timeout(limit)
            .run()?;
        let depmod = Cmd::new("/sbin/depmod").args(["-b".as_ref(), stage.path().as_os_str()]);
        depmod.args([&kernel.release]).timeout(limit).run()?;
        self.copy_from(stage.path(), &inside)
    }

    /// Writes the archive.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let file = File::create(path).with_context(|| format!("failed to create `{}`", path.display()))?;
        let nodes = self.nodes.iter().map(|(path, node)| (path.as_str(), node));
        cpio::write(&mut BufWriter::new(file), nodes)
            .with_context(|| format!("failed to write `{}`", path.display()))
    }

    fn copy_from(&mut self, root: &Path, folder: &Path) -> anyhow::Result<()> {
        for entry in fs::read_dir(root.join(folder))? {
            let inside = folder.join(entry?.file_name());
            if root.join(&inside).is_dir() {
                self.copy_from(root, &inside)?;
            } else {
                self.put(&inside.to_string_lossy(), fs::read(root.join(&inside))?);
            }
        }
        Ok(())
    }

    fn folder(&mut self, path: &str) {
        if !path.is_empty() && self.nodes.insert(path.to_owned(), Node::Folder).is_none() {
            self.folder(path.rsplit_once('/').map_or("", |(parent, _)| parent));
        }
    }

    fn node(&mut self, path: &str, node: Node) {
        let path = path.trim_start_matches('/');
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.folder(parent);
        }
        self.nodes.insert(path.to_owned(), node);
    }
}

/// The shared libraries of a program, the loader among them. A static program has none.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let list = Cmd::new("ldd").args([program]).run().unwrap_or_default();
    list.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// A tool of this machine. Users' PATH has no `sbin`, and what we want lies there.
fn find_tool(name: &str) -> anyhow::Result<PathBuf> {
    let folders = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    let found = folders.iter().map(|f| Path::new(f).join(name)).find(|p| p.exists());
    found.with_context(|| format!("`{name}` is not installed: run `make setup`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_comes_before_what_lies_in_it() {
        let mut tree = Initramfs::default();
        tree.put("/usr/lib/a/b.so", "");
        tree.put("init", "#!/bin/sh\n");
        let paths: Vec<_> = tree.nodes.keys().collect();
        assert_eq!(paths, ["init", "usr", "usr/lib", "usr/lib/a", "usr/lib/a/b.so"]);
    }

    #[test]
    fn a_program_brings_its_libraries_and_its_loader() {
        let mut tree = Initramfs::default();
        tree.tools(&["ip"]).unwrap();
        assert!(tree.nodes.keys().any(|p| p.contains("libc.so.6")), "{:?}", tree.nodes.keys());
        assert!(tree.nodes.keys().any(|p| p.contains("ld-linux")), "{:?}", tree.nodes.keys());
    }
}
