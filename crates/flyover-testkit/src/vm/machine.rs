//! Boots a kernel with an initramfs in QEMU, follows its console, and ends it when its time is over.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use flyover_host::cmd::{Cmd, CmdError};

use super::Hardware;

/// A virtual machine without a disk.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel's image.
    pub vmlinuz: PathBuf,
    /// The initramfs; its `/init` ends the machine.
    pub initramfs: PathBuf,
    /// Where its console is written to.
    pub console: PathBuf,
    /// What it is made of.
    pub hardware: Hardware,
    /// How long it may run, from QEMU's start.
    pub limit: Duration,
}

impl Machine {
    /// Runs it to its end and returns the console. Each line is handed to `follow` as it appears. A machine
    /// that does not end within its limit is killed: then the console is what it was until then.
    pub fn run(&self, mut follow: impl FnMut(&str)) -> anyhow::Result<String> {
        fs::write(&self.console, "")
            .with_context(|| format!("failed to write `{}`", self.console.display()))?;
        let mut tail = Tail::of(&self.console)?;
        let ended = thread::scope(|scope| {
            let qemu = scope.spawn(|| self.qemu().run());
            while !qemu.is_finished() {
                thread::sleep(Duration::from_millis(100));
                tail.lines(&mut follow)?;
            }
            anyhow::Ok(qemu.join().expect("running a command does not panic"))
        })?;
        tail.lines(&mut follow)?;
        match ended {
            Ok(_) => {}
            Err(CmdError::Timeout { .. }) => follow(&format!("ended after its limit of {:?}", self.limit)),
            Err(error) => bail!(error),
        }
        // It goes on, without whatever came last in the archive.
        if tail.text.contains("Initramfs unpacking failed") {
            bail!("the guest's memory does not hold its files, `{}`", self.initramfs.display());
        }
        Ok(tail.text)
    }

    fn qemu(&self) -> Cmd {
        let file = |path: &Path| path.display().to_string();
        Cmd::new("qemu-system-x86_64")
            .args(self.hardware.args("user,restrict=on"))
            .args(["-no-reboot"])
            .args(["-kernel", &file(&self.vmlinuz), "-initrd", &file(&self.initramfs)])
            // A panic reboots at once, and a reboot ends QEMU. On a busy machine the timer is late, and no fault.
            .args(["-append", "console=ttyS0 quiet panic=-1 no_timer_check"])
            .args(["-serial", &format!("file:{}", file(&self.console))])
            .timeout(self.limit)
    }
}

/// A file that grows, read line by line.
struct Tail {
    file: File,
    text: String,
    told: usize,
}

impl Tail {
    fn of(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { file: File::open(path)?, text: String::new(), told: 0 })
    }

    /// Hands every line that is whole by now to `follow`.
    fn lines(&mut self, follow: &mut impl FnMut(&str)) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes)?;
        self.text.push_str(&String::from_utf8_lossy(&bytes));
        while let Some(end) = self.text[self.told..].find('\n') {
            follow(self.text[self.told..self.told + end].trim_end_matches('\r'));
            self.told += end + 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_once_and_only_when_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console");
        fs::write(&path, "one\r\ntw").unwrap();
        let (mut tail, mut told) = (Tail::of(&path).unwrap(), Vec::new());
        tail.lines(&mut |l| told.push(l.to_owned())).unwrap();
        assert_eq!(told, ["one"]);
        let mut file = File::options().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, b"o\n").unwrap();
        tail.lines(&mut |l| told.push(l.to_owned())).unwrap();
        assert_eq!(told, ["one", "two"]);
    }
}
