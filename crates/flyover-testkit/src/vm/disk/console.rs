//! What a guest's console tells of a boot that will never be one.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};

/// Where a boot ends for good; each would otherwise be waited for until the limit.
const DEAD: [&str; 7] = [
    "No bootable device",
    "grub rescue>",
    "grub>",
    // GRUB could not start what it was told to.
    "Press any key to continue",
    "(initramfs)",
    "Kernel panic",
    "You are in emergency mode",
];

/// How much of the end goes into an error.
const TAIL: usize = 2000;

/// The file that the console is written to.
#[derive(Debug)]
pub(super) struct Console {
    file: File,
    text: String,
    looked: usize,
}

impl Console {
    /// Reads from the beginning of `path`, which must be there.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("failed to open `{}`", path.display()))?;
        Ok(Self { file, text: String::new(), looked: 0 })
    }

    /// Fails if what came since the last look says that the boot is dead.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        self.text.push_str(&String::from_utf8_lossy(&bytes));
        let new = &self.text[self.text.floor_char_boundary(self.looked)..];
        if let Some(dead) = DEAD.iter().find(|d| new.contains(**d)) {
            bail!("the guest's boot ended with `{dead}`; its console:\n{}", self.tail());
        }
        // A prompt can be cut in two.
        self.looked = self.text.len().saturating_sub(64);
        Ok(())
    }

    /// Its last lines.
    pub(super) fn tail(&self) -> &str {
        &self.text[self.text.floor_char_boundary(self.text.len().saturating_sub(TAIL))..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_prompt_that_comes_in_two_parts_is_seen() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut console = Console::open(file.path()).unwrap();
        file.write_all("Grüße\nBegin: Mounting root\n(initr".as_bytes()).unwrap();
        console.check().unwrap();
        file.write_all(b"amfs) ").unwrap();
        let error = console.check().unwrap_err().to_string();
        assert!(error.starts_with("the guest's boot ended with `(initramfs)`"), "{error}");
    }
}
