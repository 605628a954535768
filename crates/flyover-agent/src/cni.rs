//! Installs the CNI plugin on the host, under both names that networks have for it, and what it is told of the node.
//!
//! Invariants: a file that we did not put there is neither replaced nor removed, and named; each file is replaced whole, since
//! a runtime may start it at any moment; what we put there is written down before, by its hash.

use std::collections::BTreeMap;
use std::path::PathBuf;

use flyover_core::{Bytes, FileMode, FileState, HostPath};
use flyover_host::root::{HostError, HostRoot};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// What we put there, and the hash of it.
const RECORD: &str = "/var/lib/flyover/agent/cni.json";
const DIRECTORY: &str = "/var/lib/flyover/agent";
const CONFIGURATION: &str = "/etc/flyover/cni.json";
/// What networks call the plugin.
const NAMES: [&str; 2] = ["flyover", "userspace"];

/// Where the plugin comes from, and where runtimes look for it.
#[derive(Clone, Debug)]
pub(crate) struct Plugin {
    /// The program, in the agent's own image.
    pub(crate) program: PathBuf,
    /// The directory of plugins on the host.
    pub(crate) directory: HostPath,
}

/// By path, the hash of each file that is ours.
type Record = BTreeMap<String, String>;

impl Plugin {
    /// What is not as it is to be, a sentence each. A file of somebody else is an error.
    pub(crate) fn look(&self, host: &HostRoot, rundir: Option<&HostPath>) -> Result<Vec<String>, String> {
        let ours = record(host);
        let mut missing = Vec::new();
        for (path, wanted) in self.files(rundir)? {
            match host.file(&path).map_err(told)? {
                Some(found) if found.content == wanted.content && found.mode == wanted.mode => {}
                Some(found) if ours.get(path.as_str()) == Some(&hash(&found)) => {
                    missing.push(format!("`{path}` is another version"));
                }
                Some(_) if path.as_str() == CONFIGURATION => {
                    tracing::debug!(path = CONFIGURATION, "the administrator's own configuration is kept");
                }
                Some(_) => {
                    return Err(format!(
                        "`{path}` is there and is not Flyover's, so it is not replaced (hint: move it away)"
                    ));
                }
                None => missing.push(format!("`{path}` is not there")),
            }
        }
        Ok(missing)
    }

    /// Puts it there.
    pub(crate) fn install(&self, host: &HostRoot, rundir: Option<&HostPath>) -> Result<(), String> {
        let _foreign = self.look(host, rundir)?;
        let mut ours = record(host);
        let files = self.files(rundir)?.into_iter();
        let files: Vec<_> = files
            .filter(|(path, _)| {
                let found = host.file(path).ok().flatten();
                // Only the configuration may be somebody's here, and is kept then.
                found.is_none_or(|found| {
                    ours.get(path.as_str()) == Some(&hash(&found)) || path.as_str() != CONFIGURATION
                })
            })
            .collect();
        for (path, state) in &files {
            ours.insert(path.to_string(), hash(state));
        }
        write(host, &ours)?;
        for (path, state) in &files {
            if host.file(path).map_err(told)?.as_ref() == Some(state) {
                continue;
            }
            if let Some(parent) = path.parent() {
                host.make_directory(&parent).map_err(told)?;
            }
            host.replace_file(path, state).map_err(told)?;
            tracing::info!(%path, "installed");
        }
        Ok(())
    }

    /// Takes away what is ours; what happened to each file.
    pub(crate) fn remove(&self, host: &HostRoot) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for (path, installed) in record(host) {
            let Ok(at) = path.parse::<HostPath>() else { continue };
            match host.file(&at).map_err(told)? {
                None => {}
                Some(found) if hash(&found) == installed => {
                    host.remove_file(&at).map_err(told)?;
                    lines.push(format!("{path}: removed"));
                }
                Some(_) => lines.push(format!("{path}: kept, somebody changed it since")),
            }
        }
        host.remove_file(&HostPath::fixed(RECORD)).map_err(told)?;
        let etc = HostPath::fixed("/etc/flyover");
        if host.exists(&etc) {
            host.remove_empty_directory(&etc).map_err(told)?;
        }
        Ok(lines)
    }

    fn files(&self, rundir: Option<&HostPath>) -> Result<Vec<(HostPath, FileState)>, String> {
        let program = std::fs::read(&self.program);
        let program =
            program.map_err(|error| format!("failed to read `{}`: {error}", self.program.display()))?;
        let file = |content: Vec<u8>, mode| FileState {
            content: Bytes(content),
            mode: FileMode::new(mode).expect("these are permissions"),
            uid: 0,
            gid: 0,
        };
        let mut files = Vec::new();
        for name in NAMES {
            let path = self.directory.join(name).map_err(|error| error.to_string())?;
            files.push((path, file(program.clone(), 0o755)));
        }
        let rundir = rundir.map_or("/run/openvswitch", HostPath::as_str);
        let told = json!({"database": format!("{rundir}/db.sock"), "rundir": rundir});
        files.push((HostPath::fixed(CONFIGURATION), file(format!("{told}\n").into_bytes(), 0o644)));
        Ok(files)
    }
}

fn record(host: &HostRoot) -> Record {
    let text = host.text(&HostPath::fixed(RECORD));
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

fn write(host: &HostRoot, record: &Record) -> Result<(), String> {
    host.make_directory(&HostPath::fixed(DIRECTORY)).map_err(told)?;
    let content = Bytes(serde_json::to_vec(record).expect("a record is JSON"));
    let mode = FileMode::new(0o600).expect("these are permissions");
    let state = FileState { content, mode, uid: 0, gid: 0 };
    host.replace_file(&HostPath::fixed(RECORD), &state).map_err(told)
}

fn hash(file: &FileState) -> String {
    Sha256::digest(&file.content.0).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn told(error: HostError) -> String {
    crate::lane::chain(&error)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use flyover_host::live::Live;

    use super::*;

    struct Stage {
        root: tempfile::TempDir,
        host: HostRoot,
        plugin: Plugin,
    }

    fn stage() -> Stage {
        let root = tempfile::tempdir().unwrap();
        let program = root.path().join("image");
        fs::write(&program, "v1").unwrap();
        let host = HostRoot::new(root.path(), Arc::new(Live));
        Stage { host, plugin: Plugin { program, directory: HostPath::fixed("/opt/cni/bin") }, root }
    }

    mod root {
        use super::*;

        #[test]
        fn both_names_come_are_replaced_by_another_version_and_go() {
            let stage = stage();
            let missing = || stage.plugin.look(&stage.host, None).unwrap().len();
            let at = |name: &str| stage.root.path().join("opt/cni/bin").join(name);
            assert_eq!(missing(), 3);
            stage.plugin.install(&stage.host, None).unwrap();
            assert_eq!((missing(), fs::read(at("userspace")).unwrap()), (0, b"v1".to_vec()));
            fs::write(&stage.plugin.program, "v2").unwrap();
            assert_eq!(missing(), 2);
            stage.plugin.install(&stage.host, None).unwrap();
            assert_eq!((missing(), fs::read(at("flyover")).unwrap()), (0, b"v2".to_vec()));
            let lines = stage.plugin.remove(&stage.host).unwrap();
            let expected = ["/etc/flyover/cni.json", "/opt/cni/bin/flyover", "/opt/cni/bin/userspace"]
                .map(|p| format!("{p}: removed"));
            assert_eq!(lines, expected);
            assert!(!at("flyover").exists() && !stage.root.path().join("etc/flyover").exists());
        }

        #[test]
        fn a_plugin_of_somebody_else_is_named_and_stays() {
            let stage = stage();
            let at = stage.root.path().join("opt/cni/bin/userspace");
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(&at, "theirs").unwrap();
            let refused = stage.plugin.install(&stage.host, None).unwrap_err();
            assert!(
                refused.starts_with("`/opt/cni/bin/userspace` is there and is not Flyover's"),
                "{refused}"
            );
            assert_eq!(stage.plugin.remove(&stage.host).unwrap(), Vec::<String>::new());
            assert_eq!(fs::read(&at).unwrap(), b"theirs");
        }

        #[test]
        fn the_administrators_own_configuration_is_kept() {
            let stage = stage();
            let at = stage.root.path().join("etc/flyover/cni.json");
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(&at, "{}").unwrap();
            stage.plugin.install(&stage.host, None).unwrap();
            assert_eq!(fs::read(&at).unwrap(), b"{}");
            stage.plugin.remove(&stage.host).unwrap();
            assert_eq!(fs::read(&at).unwrap(), b"{}");
        }
    }
}
