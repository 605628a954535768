//! Addresses, asked of another plugin as the specification says.
//!
//! Invariants: the plugin gets the network's configuration as it came; what it fails with is passed on with its code and
//! its words; nobody else works on the attachment before it has ended, even if we are killed; asking it to take back an
//! address that it never gave is no error of ours.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flyover_host::cmd::{Cmd, Ended};
use serde_json::Value;

use crate::error::{CniError, Code};
use crate::failpoint;
use crate::names::{Attachment, PluginName};
use crate::request::Verb;
use crate::result::CniResult;
use crate::state::{Ipam, Lock};

/// How long such a plugin may take.
const LIMIT: Duration = Duration::from_secs(30);

/// For whom it is asked; GC and STATUS ask for nobody.
#[derive(Clone, Copy, Debug)]
pub struct For<'a> {
    /// The attachment.
    pub attachment: &'a Attachment,
    /// Its network namespace.
    pub netns: Option<&'a Path>,
    /// Who works on it meanwhile: the plugin too, and it may outlive us.
    pub lock: &'a Lock,
}

/// Where a plugin is.
pub fn find(plugin: &PluginName, path: &[PathBuf]) -> Result<PathBuf, CniError> {
    let files = path.iter().map(|dir| dir.join(plugin.as_str()));
    files.into_iter().find(|file| file.is_file() && !is_ourselves(file)).ok_or_else(|| {
        CniError::new(Code::Environment, format!("there is no plugin `{plugin}` for addresses")).details(
            format!(
                "looked in {}",
                path.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(":")
            ),
        )
    })
}

/// A network that names us for addresses, under whichever name, would have us call ourselves for ever.
fn is_ourselves(file: &Path) -> bool {
    let inode = |path: &Path| path.metadata().map(|meta| (meta.dev(), meta.ino())).ok();
    inode(file).is_some_and(|of_file| inode(Path::new("/proc/self/exe")) == Some(of_file))
}

/// Why a plugin did not do what it was asked.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Why.
    pub error: CniError,
    /// Whether the plugin said so itself, in the words of the specification.
    pub said: bool,
}

impl From<Failure> for CniError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Asks for addresses; that the plugin refused is noted.
pub fn add(ipam: &mut Ipam, of: For<'_>) -> Result<CniResult, CniError> {
    failpoint::before("ask for addresses");
    let answer = run(ipam, Verb::Add, Some(of), &ipam.configuration);
    ipam.refused = answer.as_ref().is_err_and(|failure| failure.said);
    let answer = answer?;
    let json: Value = serde_json::from_str(&answer).map_err(|error| {
        CniError::new(Code::Ipam, format!("plugin `{}` answered no JSON", ipam.plugin)).because(&error)
    })?;
    CniResult::parse(&json)
}

/// Gives addresses back.
pub fn del(ipam: &Ipam, of: For<'_>) -> Result<(), Failure> {
    failpoint::before("give addresses back");
    run(ipam, Verb::Del, Some(of), &ipam.configuration).map(drop)
}

/// Asks whether all is as it was; `configuration` holds what ADD answered.
pub fn check(ipam: &Ipam, of: For<'_>, configuration: &Value) -> Result<(), CniError> {
    Ok(run(ipam, Verb::Check, Some(of), configuration).map(drop)?)
}

/// Hands on GC or STATUS.
pub fn forward(ipam: &Ipam, verb: Verb) -> Result<(), CniError> {
    if verb == Verb::Gc {
        failpoint::before("have addresses collected");
    }
    Ok(run(ipam, verb, None, &ipam.configuration).map(drop)?)
}

fn run(ipam: &Ipam, verb: Verb, of: Option<For<'_>>, configuration: &Value) -> Result<String, Failure> {
    let silent = |error| Failure { error, said: false };
    let program = find(&ipam.plugin, &ipam.path).map_err(silent)?;
    let path: Vec<_> = ipam.path.iter().map(|dir| dir.display().to_string()).collect();
    let mut command = Cmd::new(program)
        .env("CNI_COMMAND", verb.as_str())
        .env("CNI_PATH", path.join(":"))
        .env("CNI_ARGS", &ipam.args)
        .stdin(configuration.to_string())
        .timeout(LIMIT);
    if let Some(of) = of {
        let netns = of.netns.map(|path| path.display().to_string()).unwrap_or_default();
        command = command
            .env("CNI_CONTAINERID", of.attachment.container.as_str())
            .env("CNI_IFNAME", of.attachment.ifname.as_str())
            .env("CNI_NETNS", netns);
        let lent = of.lock.lend().map_err(|e| silent(failed(ipam, verb).because(&e)))?;
        command = command.inherits(lent);
    }
    let ended = command.end().map_err(|error| silent(failed(ipam, verb).because(&error)))?;
    if ended.status.success() {
        return Ok(ended.stdout);
    }
    let (error, said) = told(ipam, verb, &ended);
    Err(Failure { error, said })
}

/// The plugin's own error, or what it left of one; and whether it is its own: who panicked has decided nothing.
fn told(ipam: &Ipam, verb: Verb, ended: &Ended) -> (CniError, bool) {
    let json: Option<Value> = serde_json::from_str(&ended.stdout).ok();
    let text = |key: &str| json.as_ref()?.get(key)?.as_str().map(str::to_owned);
    match (json.as_ref().and_then(|json| json.get("code")?.as_u64()), text("msg")) {
        (Some(code), Some(msg)) => {
            let msg = format!("plugin `{}` refused {}: {msg}", ipam.plugin, verb.as_str());
            (CniError { code, msg, details: text("details").unwrap_or_default() }, true)
        }
        _ => {
            let left = format!("it ended with {}: {}{}", ended.status, ended.stdout, ended.stderr);
            (failed(ipam, verb).details(left), false)
        }
    }
}

fn failed(ipam: &Ipam, verb: Verb) -> CniError {
    CniError::new(Code::Ipam, format!("plugin `{}` did not do {}", ipam.plugin, verb.as_str()))
}
