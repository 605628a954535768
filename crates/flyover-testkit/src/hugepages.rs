//! Hugepages lent by the machine for as long as a rig stands.
//!
//! Invariant: what is given back is what was taken. Others may raise the number as well, so it is changed by a
//! difference, under a lock that all rigs of the machine take. [`Found`] alone sets a number again, for what an agent under test
//! changed without us.

use std::fs::{self, File};

use anyhow::{Context, bail};

const NUMBER: &str = "/proc/sys/vm/nr_hugepages";
const LOCK: &str = "/run/lock/flyover-testkit-hugepages";

/// Hugepages of 2 MiB.
#[derive(Debug)]
pub(crate) struct Hugepages(pub(crate) u64);

impl Hugepages {
    /// Takes so many more.
    pub(crate) fn raise(count: u64) -> anyhow::Result<Self> {
        let _lock = lock()?;
        let before = read()?;
        write(before + count)?;
        let got = read()?;
        if got < before + count {
            write(before)?;
            bail!(
                "the machine has no {count} hugepages of 2 MiB to lend, only {}",
                got.saturating_sub(before)
            );
        }
        Ok(Self(count))
    }

    /// Gives them back.
    pub(crate) fn give_back(self) -> anyhow::Result<()> {
        let _lock = lock()?;
        let before = read()?;
        write(before.saturating_sub(self.0))
    }
}

/// How many the machine had when it was asked: as many again when this goes, whatever happened meanwhile.
///
/// For what changes the machine's number itself, with no rig that stands for it.
#[derive(Debug)]
pub struct Found(u64);

impl Found {
    /// What there is now.
    pub fn now() -> anyhow::Result<Self> {
        read().map(Self)
    }
}

impl Drop for Found {
    fn drop(&mut self) {
        if let Err(error) = write(self.0) {
            eprintln!("{error:#}, which is to be {} again", self.0);
        }
    }
}

fn lock() -> anyhow::Result<File> {
    let file = File::create(LOCK).with_context(|| format!("failed to create `{LOCK}`"))?;
    file.lock().with_context(|| format!("failed to lock `{LOCK}`"))?;
    Ok(file)
}

fn read() -> anyhow::Result<u64> {
    let text = fs::read_to_string(NUMBER).with_context(|| format!("failed to read `{NUMBER}`"))?;
    text.trim().parse().with_context(|| format!("failed to read `{NUMBER}`"))
}

fn write(number: u64) -> anyhow::Result<()> {
    fs::write(NUMBER, number.to_string()).with_context(|| format!("failed to write `{NUMBER}`"))
}
