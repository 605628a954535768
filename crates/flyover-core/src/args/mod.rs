//! The kernel's command line: what it means to the kernel, and how to change it without touching the rest.
//!
//! Invariant: a token that no edit is about is printed byte for byte. Reading is total: the kernel takes any
//! text, so we do.
//! Source: `next_arg()` in lib/cmdline.c, `parse_args()` in kernel/params.c.

mod arg;
mod edit;
mod hugepages;
mod pools;
#[cfg(test)]
mod properties;
mod rules;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use arg::{BadKernelArg, KernelArg};
pub use edit::{ArgEdit, ArgPattern};
pub use hugepages::{BadHugepageCount, HugepageArgs, HugepageCount, HugepagePool};

/// A kernel command line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct KernelArgs {
    args: Vec<KernelArg>,
    /// The lone `--` and all behind it, which the kernel hands to init.
    init: Vec<KernelArg>,
}

impl KernelArgs {
    /// Reads a command line as the kernel does.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let mut args = Vec::new();
        let mut rest = line.trim_start_matches(arg::is_blank);
        while !rest.is_empty() {
            let (token, behind) = arg::cut_token(rest);
            args.push(KernelArg::of(token));
            rest = behind.trim_start_matches(arg::is_blank);
        }
        let end = args.iter().position(KernelArg::ends_kernel_args).unwrap_or(args.len());
        let init = args.split_off(end);
        Self { args, init }
    }

    /// The kernel's arguments in order; those of init are none of them.
    pub fn iter(&self) -> impl Iterator<Item = &KernelArg> {
        self.args.iter()
    }

    /// The last argument of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&KernelArg> {
        self.all(name).pop()
    }

    /// All arguments of that name, in order. `-` and `_` are the same in names.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&KernelArg> {
        let key = name.replace('-', "_");
        self.args.iter().filter(|arg| arg.key() == key).collect()
    }

    /// Whether this command line does what `want` asks, however it says so: `intel_iommu=on,sm_on` satisfies
    /// `intel_iommu=on`, and `isolcpus=2-3` satisfies `isolcpus=domain,3,2`.
    #[must_use]
    pub fn satisfies(&self, want: &KernelArg) -> bool {
        rules::satisfies(&self.args, want)
    }

    /// What the command line says of huge pages.
    #[must_use]
    pub fn hugepages(&self) -> HugepageArgs {
        HugepageArgs::of(&self.args)
    }

    /// This command line after the edit. See [`ArgEdit`].
    #[must_use]
    pub fn edited(&self, edit: &ArgEdit) -> Self {
        Self { args: edit.apply(&self.args), init: self.init.clone() }
    }

    /// Whether the edit would change nothing. Pools of huge pages count together: each argument alone may be satisfied
    /// by a pool of another size.
    #[must_use]
    pub fn fulfils(&self, edit: &ArgEdit) -> bool {
        self.edited(edit) == *self
    }
}

impl From<String> for KernelArgs {
    fn from(line: String) -> Self {
        Self::parse(&line)
    }
}

impl FromStr for KernelArgs {
    type Err = Infallible;

    fn from_str(line: &str) -> Result<Self, Infallible> {
        Ok(Self::parse(line))
    }
}

impl From<KernelArgs> for String {
    fn from(args: KernelArgs) -> Self {
        args.to_string()
    }
}

impl fmt::Display for KernelArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens: Vec<&str> = self.args.iter().chain(&self.init).map(KernelArg::raw).collect();
        f.write_str(&tokens.join(" "))
    }
}
