//! Network namespaces: named ones as `ip netns` keeps them, and work done inside them.
//!
//! Invariant: a thread that entered a namespace leaves it before anybody else runs on it. A thread that cannot
//! leave panics, for whatever it did next would happen in the wrong network.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::thread;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

/// Where `ip netns` keeps the names.
const NAMED: &str = "/run/netns";

/// What went wrong with a namespace, and which one.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// There is none of that name.
    #[error("there is no network namespace `{name}`")]
    Missing {
        /// The name.
        name: String,
    },
    /// There is one of that name already.
    #[error("network namespace `{name}` exists already")]
    Taken {
        /// The name.
        name: String,
    },
    /// The system refused.
    #[error("failed to {verb} network namespace `{name}`")]
    System {
        /// What was attempted.
        verb: &'static str,
        /// The name or path.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

fn failed(verb: &'static str, name: impl Into<String>) -> impl FnOnce(io::Error) -> NetnsError {
    let name = name.into();
    move |source| NetnsError::System { verb, name, source }
}

/// An open network namespace. It lives at least as long as this does.
#[derive(Debug)]
pub struct Netns {
    file: File,
    name: String,
}

impl Netns {
    /// The namespace of the calling thread.
    pub fn current() -> Result<Self, NetnsError> {
        Self::at(Path::new("/proc/thread-self/ns/net"))
    }

    /// The namespace `ip netns` knows by that name.
    pub fn named(name: &str) -> Result<Self, NetnsError> {
        match File::open(path_of(name)) {
            Ok(file) => Ok(Self { file, name: name.to_owned() }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(NetnsError::Missing { name: name.to_owned() })
            }
            Err(e) => Err(failed("open", name)(e)),
        }
    }

    /// The namespace behind a path such as `/proc/PID/ns/net`.
    pub fn at(path: &Path) -> Result<Self, NetnsError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(failed("open", &name))?;
        Ok(Self { file, name })
    }

    /// Makes a namespace under that name, as `ip netns add` does.
    pub fn create(name: &str) -> Result<Self, NetnsError> {
        share_named_dir().map_err(failed("prepare the directory of", name))?;
        let path = path_of(name);
        match File::options().write(true).create_new(true).open(&path) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(NetnsError::Taken { name: name.to_owned() });
            }
            Err(e) => return Err(failed("create", name)(e)),
        }
        let target = path.clone();
        let made = thread::spawn(move || -> io::Result<()> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            mount(Some("/proc/thread-self/ns/net"), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
            Ok(())
        })
        .join()
        .expect("making a namespace does not panic");
        if let Err(e) = made {
            fs::remove_file(&path).map_err(failed("take back", name))?;
            return Err(failed("create", name)(e));
        }
        Self::named(name)
    }

    /// Takes the name away; the namespace ends with its last user. A name that is not there is no error.
    pub fn delete(name: &str) -> Result<(), NetnsError> {
        let path = path_of(name);
        match umount2(&path, MntFlags::MNT_DETACH) {
            Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
            Err(e) => return Err(failed("unmount", name)(e.into())),
        }
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("delete", name)(e)),
            _ => Ok(()),
        }
    }

    /// All names `ip netns` knows, sorted.
    pub fn list() -> Result<Vec<String>, NetnsError> {
        let entries = match fs::read_dir(NAMED) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(failed("list", NAMED)(e)),
        };
        let mut names = entries
            .map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()
            .map_err(failed("list", NAMED))?;
        names.sort();
        Ok(names)
    }

    /// Does `work` inside the namespace, on the calling thread, and comes back.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> Result<T, NetnsError> {
        let home = Self::current()?;
        setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(|e| failed("enter", &self.name)(e.into()))?;
        let _back = Back(home);
        Ok(work())
    }

    /// The name or path it was opened by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether both are the same namespace.
    pub fn same_as(&self, other: &Self) -> Result<bool, NetnsError> {
        use std::os::unix::fs::MetadataExt;
        let (a, b) = (self.file.metadata(), other.file.metadata());
        let (a, b) = (a.map_err(failed("stat", &self.name))?, b.map_err(failed("stat", &other.name))?);
        Ok((a.dev(), a.ino()) == (b.dev(), b.ino()))
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

struct Back(Netns);

impl Drop for Back {
    fn drop(&mut self) {
        setns(&self.0.file, CloneFlags::CLONE_NEWNET)
            .expect("a thread may return to the namespace it came from");
    }
}

fn path_of(name: &str) -> PathBuf {
    Path::new(NAMED).join(name)
}

/// Makes `/run/netns` a shared mount as `ip netns` does, so that other mount namespaces see names come and go.
fn share_named_dir() -> io::Result<()> {
    fs::create_dir_all(NAMED)?;
    let shared = MsFlags::MS_SHARED | MsFlags::MS_REC;
    match mount(None::<&str>, NAMED, None::<&str>, shared, None::<&str>) {
        Err(nix::errno::Errno::EINVAL) => {
            mount(Some(NAMED), NAMED, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
            Ok(mount(None::<&str>, NAMED, None::<&str>, shared, None::<&str>)?)
        }
        other => Ok(other?),
    }
}

#[cfg(test)]
mod root {
    use super::*;

    #[test]
    fn work_in_a_namespace_comes_back_to_where_it_was() {
        let name = format!("fo-test-{}", std::process::id());
        let ns = Netns::create(&name).unwrap();
        let home = Netns::current().unwrap();
        assert!(ns.run(|| Netns::current().unwrap().same_as(&ns).unwrap()).unwrap());
        assert!(Netns::current().unwrap().same_as(&home).unwrap());
        assert!(matches!(Netns::create(&name), Err(NetnsError::Taken { .. })));
        assert!(Netns::list().unwrap().contains(&name));
        Netns::delete(&name).unwrap();
        Netns::delete(&name).unwrap();
        assert!(matches!(Netns::named(&name), Err(NetnsError::Missing { .. })));
    }
}
