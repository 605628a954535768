//! Installs the CNI plugin on the host, under both names that networks have for it, and what it is told of the node.
//!
//! Invariants: a file that we did not put there is neither replaced nor removed, and named; each file is replaced whole, since
//! a runtime may start it at any moment; what we put there is written down before, by its hash.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use flyover_cni_core::node::{CONFIGURATION, Written};
use flyover_core::{Bytes, CNI_PLUGINS, FileMode, FileState, HostPath, SwitchAt};
use flyover_host::root::{HostError, HostRoot};
use sha2::{Digest as _, Sha256};

use crate::DIRECTORY;

/// What we put there, and the hash of it.
const RECORD: &str = "/var/lib/flyover/agent/cni.json";

/// Where the plugin comes from, and where runtimes look for it.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// The program, in the agent's own image.
    pub program: PathBuf,
    /// The directory of plugins on the host.
    pub directory: HostPath,
    /// The kubelet's directory, in which the volumes of pods are.
    pub kubelet: PathBuf,
}

/// By path, the hashes by which a file is ours: one, and while it is being replaced the old one's and the new one's.
type Record = BTreeMap<String, BTreeSet<String>>;

impl Plugin {
    /// What is not as it is to be, a sentence each. A file of somebody else is an error.
    pub(crate) fn look(&self, host: &HostRoot, at: &SwitchAt) -> Result<Vec<String>, String> {
        let ours = record(host)?;
        let mut missing = Vec::new();
        for (path, wanted) in self.files(at)? {
            match host.file(&path).map_err(told)? {
                Some(found) if found.content == wanted.content && found.mode == wanted.mode => {}
                Some(found) if is_ours(&ours, &path, &found) => {
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
    pub(crate) fn install(&self, host: &HostRoot, at: &SwitchAt) -> Result<(), String> {
        let _missing = self.look(host, at)?;
        let mut ours = record(host)?;
        let mut files = Vec::new();
        for (path, state) in self.files(at)? {
            let found = host.file(&path).map_err(told)?;
            let may = found.is_none_or(|found| is_ours(&ours, &path, &found));
            // Only the configuration may be somebody's here, and is kept then.
            if may || path.as_str() != CONFIGURATION {
                files.push((path, state));
            }
        }
        for (path, state) in &files {
            ours.entry(path.to_string()).or_default().insert(hash(state));
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
        ours.extend(files.iter().map(|(path, state)| (path.to_string(), [hash(state)].into())));
        write(host, &ours)
    }

    /// Takes away what is ours; what happened to each file.
    pub(crate) fn remove(&self, host: &HostRoot) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        for (path, installed) in record(host)? {
            let Ok(at) = path.parse::<HostPath>() else { continue };
            match host.file(&at).map_err(told)? {
                None => {}
                Some(found) if installed.contains(&hash(&found)) => {
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

    fn files(&self, at: &SwitchAt) -> Result<Vec<(HostPath, FileState)>, String> {
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
        for name in CNI_PLUGINS {
            let path = self.directory.join(name).map_err(|error| error.to_string())?;
            files.push((path, file(program.clone(), 0o755)));
        }
        let written = Written {
            database: at.database.clone(),
            rundir: at.rundir.clone(),
            kubelet_root: self.kubelet.clone(),
        };
        let mut text = serde_json::to_vec(&written).expect("paths are JSON");
        text.push(b'\n');
        files.push((HostPath::fixed(CONFIGURATION), file(text, 0o644)));
        Ok(files)
    }
}

fn is_ours(ours: &Record, path: &HostPath, found: &FileState) -> bool {
    ours.get(path.as_str()).is_some_and(|hashes| hashes.contains(&hash(found)))
}

/// What is written down. One that cannot be read is no empty one: what it names would then be somebody else's.
fn record(host: &HostRoot) -> Result<Record, String> {
    let Some(file) = host.file(&HostPath::fixed(RECORD)).map_err(told)? else { return Ok(Record::new()) };
    let hint = "hint: move it away, and the files that it names with it; they are put there anew";
    serde_json::from_slice(&file.content.0)
        .map_err(|error| format!("failed to read `{RECORD}`: {error} ({hint})"))
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

    use flyover_core::Keeper;
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
        Stage {
            host,
            plugin: Plugin {
                program,
                directory: HostPath::fixed("/opt/cni/bin"),
                kubelet: "/var/lib/kubelet".into(),
            },
            root,
        }
    }

    fn at() -> SwitchAt {
        SwitchAt {
            rundir: HostPath::fixed("/run/sw"),
            database: HostPath::fixed("/run/sw/database"),
            keeper: Keeper::Others,
        }
    }

    mod root {
        use super::*;

        #[test]
        fn both_names_come_are_replaced_by_another_version_and_go() {
            let stage = stage();
            let missing = || stage.plugin.look(&stage.host, &at()).unwrap().len();
            let file = |name: &str| stage.root.path().join("opt/cni/bin").join(name);
            assert_eq!(missing(), 3);
            stage.plugin.install(&stage.host, &at()).unwrap();
            assert_eq!((missing(), fs::read(file("userspace")).unwrap()), (0, b"v1".to_vec()));
            fs::write(&stage.plugin.program, "v2").unwrap();
            assert_eq!(missing(), 2);
            stage.plugin.install(&stage.host, &at()).unwrap();
            assert_eq!((missing(), fs::read(file("flyover")).unwrap()), (0, b"v2".to_vec()));
            let lines = stage.plugin.remove(&stage.host).unwrap();
            let expected = ["/etc/flyover/cni.json", "/opt/cni/bin/flyover", "/opt/cni/bin/userspace"]
                .map(|p| format!("{p}: removed"));
            assert_eq!(lines, expected);
            assert!(!file("flyover").exists() && !stage.root.path().join("etc/flyover").exists());
        }

        #[test]
        fn a_plugin_of_somebody_else_is_named_and_stays() {
            let stage = stage();
            let file = stage.root.path().join("opt/cni/bin/userspace");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "theirs").unwrap();
            let refused = stage.plugin.install(&stage.host, &at()).unwrap_err();
            assert!(
                refused.starts_with("`/opt/cni/bin/userspace` is there and is not Flyover's"),
                "{refused}"
            );
            assert_eq!(stage.plugin.remove(&stage.host).unwrap(), Vec::<String>::new());
            assert_eq!(fs::read(&file).unwrap(), b"theirs");
        }

        #[test]
        fn the_administrators_own_configuration_is_kept() {
            let stage = stage();
            let file = stage.root.path().join("etc/flyover/cni.json");
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "{}").unwrap();
            stage.plugin.install(&stage.host, &at()).unwrap();
            assert_eq!(fs::read(&file).unwrap(), b"{}");
            stage.plugin.remove(&stage.host).unwrap();
            assert_eq!(fs::read(&file).unwrap(), b"{}");
        }

        #[test]
        fn the_plugin_is_told_of_the_switch_that_the_spec_means() {
            let stage = stage();
            stage.plugin.install(&stage.host, &at()).unwrap();
            let node = flyover_cni_core::node::Node::load(stage.root.path()).unwrap();
            assert_eq!(node.database, std::path::Path::new("/run/sw/database"));
        }

        #[test]
        fn an_upgrade_that_is_cut_off_is_continued_and_is_still_ours() {
            let stage = stage();
            stage.plugin.install(&stage.host, &at()).unwrap();
            fs::write(&stage.plugin.program, "v2").unwrap();
            // One of the two cannot be replaced: the record is there already, and the file is the old one.
            let (second, aside) =
                (stage.root.path().join("opt/cni/bin/userspace"), stage.root.path().join("aside"));
            fs::rename(&second, &aside).unwrap();
            fs::create_dir(&second).unwrap();
            stage.plugin.install(&stage.host, &at()).unwrap_err();
            fs::remove_dir(&second).unwrap();
            fs::rename(&aside, &second).unwrap();
            stage.plugin.install(&stage.host, &at()).unwrap();
            assert_eq!(fs::read(&second).unwrap(), b"v2");
            assert_eq!(stage.plugin.remove(&stage.host).unwrap().len(), 3);
            assert!(!second.exists());
        }

        #[test]
        fn a_record_that_cannot_be_read_stops_all_and_stays() {
            let stage = stage();
            stage.plugin.install(&stage.host, &at()).unwrap();
            let record = stage.root.path().join(&RECORD[1..]);
            fs::write(&record, "{").unwrap();
            let ways = [
                stage.plugin.look(&stage.host, &at()).map(drop),
                stage.plugin.install(&stage.host, &at()),
                stage.plugin.remove(&stage.host).map(drop),
            ];
            for refused in ways.map(Result::unwrap_err) {
                assert!(refused.contains(RECORD) && refused.contains("hint:"), "{refused}");
            }
            assert!(record.exists() && stage.root.path().join("opt/cni/bin/flyover").exists());
        }
    }
}
