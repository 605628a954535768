//! A private apt: its own sources, lists and cache, below one folder, for another suite or another architecture than
//! the machine's.
//!
//! Invariant: the machine's apt is not touched, and nothing is installed.

mod sources;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use flyover_host::cmd::Cmd;

pub(crate) use sources::Want;
use sources::{from_deb822, from_lines};

/// Downloads of a slow mirror may take this long.
const SLOW: Duration = Duration::from_secs(600);
/// Unpacking a kernel of 400 MB.
const UNPACK: Duration = Duration::from_secs(300);
/// What Debian calls the architecture that all rigs are for.
const MACHINE: &str = "amd64";

/// A private apt for one suite and one architecture.
#[derive(Clone, Debug)]
pub struct Apt {
    config: PathBuf,
}

impl Apt {
    /// Makes one below `folder` that knows the machine's own release, and fetches its lists.
    pub fn own(folder: &Path) -> anyhow::Result<Self> {
        Self::make(folder, Want::Own, MACHINE)
    }

    /// Makes one below `folder` that knows `suite` only, and fetches its lists.
    pub fn other(folder: &Path, suite: &str) -> anyhow::Result<Self> {
        Self::make(folder, Want::Other(suite), MACHINE)
    }

    /// Makes one below `folder` that knows the machine's own release for another architecture, and fetches its lists.
    pub fn foreign(folder: &Path, architecture: &str) -> anyhow::Result<Self> {
        Self::make(folder, Want::Foreign, architecture)
    }

    fn make(folder: &Path, want: Want<'_>, architecture: &str) -> anyhow::Result<Self> {
        for part in ["parts", "state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let (deb822, lines) = machine_sources(want)?;
        ensure!(!(deb822.is_empty() && lines.is_empty()), "no source of this release in /etc/apt");
        fs::write(folder.join("parts/private.sources"), deb822)?;
        fs::write(folder.join("parts/private.list"), lines)?;
        // No package is installed as far as this apt knows, so it never looks at the machine's.
        fs::write(folder.join("state/status"), "")?;
        let config = folder.join("apt.conf");
        fs::write(&config, configuration(folder, architecture))?;
        let apt = Self { config };
        apt.cmd("apt-get", ["update", "--quiet"])
            .timeout(SLOW)
            .run()
            .context("failed to fetch package lists")?;
        Ok(apt)
    }

    /// Names of the packages that `package` depends on directly.
    pub fn depends(&self, package: &str) -> anyhow::Result<Vec<String>> {
        let text = self.cmd("apt-cache", ["depends", "--important", package]).run()?;
        let names = text.lines().filter_map(|l| l.trim().strip_prefix("Depends: "));
        Ok(names.map(str::to_owned).collect())
    }

    /// Whether there is such a package.
    pub fn knows(&self, package: &str) -> bool {
        self.cmd("apt-cache", ["show", package]).run().is_ok()
    }

    /// Fetches packages and unpacks them over each other in `folder`; gives `name version` of each, sorted.
    pub fn unpack(&self, packages: &[String], folder: &Path) -> anyhow::Result<Vec<String>> {
        let debs = folder.join("debs");
        self.download(packages, &debs)?;
        let mut versions = Vec::new();
        for deb in fs::read_dir(&debs)? {
            let deb = deb?.path();
            let unpack: [&Path; 3] = ["-x".as_ref(), &deb, folder];
            Cmd::new("dpkg-deb").args(unpack).timeout(UNPACK).run()?;
            let show = ["--show", "--showformat=${Package} ${Version}"].map(OsStr::new);
            versions.push(Cmd::new("dpkg-deb").args(show).args([&deb]).run()?);
        }
        fs::remove_dir_all(debs)?;
        versions.sort();
        Ok(versions)
    }

    fn download(&self, packages: &[String], folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let here = format!("--chdir={}", folder.display());
        let base = Cmd::new("env").args([here, self.environment()]).args(["apt-get", "--quiet", "download"]);
        base.args(packages)
            .timeout(SLOW)
            .run()
            .with_context(|| format!("failed to get {}", packages.join(" ")))?;
        Ok(())
    }

    fn cmd<const N: usize>(&self, tool: &str, args: [&str; N]) -> Cmd {
        Cmd::new("env").args([self.environment()]).args([tool]).args(args)
    }

    fn environment(&self) -> String {
        format!("APT_CONFIG={}", self.config.display())
    }
}

/// What the machine's sources give for the suite, in both forms.
pub(crate) fn machine_sources(want: Want<'_>) -> anyhow::Result<(String, String)> {
    let codename =
        codename(&fs::read_to_string("/etc/os-release").context("failed to read /etc/os-release")?)?;
    let (mut deb822, mut lines) = (Vec::new(), String::new());
    let mut files: Vec<PathBuf> = vec!["/etc/apt/sources.list".into()];
    if let Ok(parts) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(parts.flatten().map(|entry| entry.path()));
    }
    files.sort();
    for file in files.iter().filter(|f| f.is_file()) {
        let text =
            fs::read_to_string(file).with_context(|| format!("failed to read `{}`", file.display()))?;
        match file.extension().and_then(|e| e.to_str()) {
            Some("sources") => deb822.push(from_deb822(&text, &codename, want)),
            _ => lines.push_str(&from_lines(&text, &codename, want)),
        }
    }
    deb822.retain(|stanzas| !stanzas.is_empty());
    Ok((deb822.join("\n"), lines))
}

fn codename(os_release: &str) -> anyhow::Result<String> {
    let name = os_release.lines().find_map(|l| l.strip_prefix("VERSION_CODENAME="));
    Ok(name
        .context("no VERSION_CODENAME in /etc/os-release: this is no Debian")?
        .trim_matches('"')
        .to_owned())
}

fn configuration(folder: &Path, architecture: &str) -> String {
    let dir = folder.display();
    format!(
        "Dir::Etc::sourcelist \"/dev/null\";\nDir::Etc::sourceparts \"{dir}/parts\";\nDir::State \"{dir}/state\";\n\
         Dir::State::status \"{dir}/state/status\";\nDir::Cache \"{dir}/cache\";\nAcquire::Languages \"none\";\n\
         Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled \"false\";\nAPT::Architecture \"{architecture}\";\n\
         APT::Architectures \"{architecture}\";\nAPT::Sandbox::User \"\";\n"
    )
}
