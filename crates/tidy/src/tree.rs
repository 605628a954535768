//! The repository's own text files, read once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Folders that hold nothing we wrote.
const FOREIGN: [&str; 5] = ["target", ".git", "corpus", "artifacts", "node_modules"];

/// Folders whose files are scripts, named without an ending.
const SCRIPTS: [&str; 2] = ["scripts", ".ci"];

/// Endings of files whose text is held against the rules.
const TEXTS: [&str; 7] = ["rs", "c", "h", "md", "toml", "yml", "yaml"];

/// A text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where, relative to the root.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

impl File {
    /// Whether the name ends in `.ending`.
    pub fn is(&self, ending: &str) -> bool {
        self.path.extension().is_some_and(|e| e == ending)
    }

    /// Whether a program wrote it: then nobody reads it from end to end.
    pub fn is_generated(&self) -> bool {
        self.text.lines().take(5).any(|l| l.contains("@generated"))
    }

    /// The crate it belongs to, by its folder.
    pub fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates").ok()?.components().next()?.as_os_str().to_str()
    }
}

/// All of our text files, ordered by path.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads everything below `root` but what was built or fetched.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        read_below(root, root, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// Every file.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// Files whose names end in one of `endings`.
    pub fn ending<'a>(&'a self, endings: &'a [&str]) -> impl Iterator<Item = &'a File> {
        self.files().filter(|f| endings.iter().any(|e| f.is(e)))
    }

    /// The file at `path`, if it is there.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files().find(|f| f.path == Path::new(path))
    }
}

fn read_below(root: &Path, folder: &Path, files: &mut Vec<File>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list `{}`", folder.display()))? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !FOREIGN.iter().any(|f| entry.file_name() == *f) {
                read_below(root, &path, files)?;
            }
        } else if is_text(&path) {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("failed to read `{}` as text", path.display()))?;
            files.push(File { path: path.strip_prefix(root)?.to_owned(), text });
        }
    }
    Ok(())
}

fn is_text(path: &Path) -> bool {
    match path.extension().and_then(|e| e.to_str()) {
        Some(ending) => TEXTS.contains(&ending),
        None => {
            path.ends_with("Makefile")
                || path.parent().is_some_and(|p| SCRIPTS.iter().any(|s| p.ends_with(s)))
        }
    }
}

#[cfg(test)]
impl Tree {
    /// A tree of the given paths and texts.
    pub(crate) fn of<const N: usize>(files: [(&str, &str); N]) -> Self {
        let file = |(path, text): (&str, &str)| File { path: path.into(), text: text.into() };
        Self { files: files.into_iter().map(file).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_and_what_is_no_text_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        for path in ["target/debug/a.rs", "crates/a/src/lib.rs", "crates/a/x.png", "scripts/go", "LICENSE"] {
            fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
            fs::write(root.path().join(path), "text").unwrap();
        }
        let tree = Tree::read(root.path()).unwrap();
        let paths: Vec<_> = tree.files().map(|f| f.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["crates/a/src/lib.rs", "scripts/go"]);
        assert_eq!(tree.file("crates/a/src/lib.rs").unwrap().crate_name(), Some("a"));
    }
}
