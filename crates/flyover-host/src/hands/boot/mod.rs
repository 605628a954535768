//! The kernel's command line at the next boot.
//!
//! Invariants: what was found is all the files that the change, or a tool it runs, may touch, whole; putting them back
//! runs no tool. Success is judged by the command lines that the boot loader will read, never by a tool's answer.

mod aim;
mod assignment;
mod bls;
mod entries;
mod grub;

use flyover_core::facts::{GrubGenerator, Loader};
use flyover_core::{Action, ArgEdit, BootArgs, BootState, FileAt, HostPath};

pub use self::aim::Change;
use self::aim::{Aim, words};
use super::file::{found_at, settle};
use super::{Hand, SLOW, has_room, refused};
use crate::root::{HostError, HostRoot};

/// Every file that changing the command line may touch, as it is.
fn files(host: &HostRoot, loader: &Loader) -> Result<Vec<FileAt>, HostError> {
    let below = |directory: &HostPath, ending: &str| -> Vec<HostPath> {
        let names =
            host.names(directory).into_iter().filter(|name| name.ends_with(ending) && !name.starts_with('.'));
        names.filter_map(|name| directory.join(&name).ok()).collect()
    };
    let mut paths = Vec::new();
    match loader {
        Loader::Grub { defaults, drop_ins, config, .. } => {
            paths.extend([defaults.clone(), config.clone()]);
            // grub-mkconfig writes beside its output; a crash leaves that.
            paths.extend(format!("{config}.new").parse());
            if let Some(directory) = drop_ins {
                paths.extend(below(directory, ".cfg"));
                paths.extend(directory.join(grub::DROP_IN));
            }
        }
        Loader::Bls { entries, defaults, .. } => {
            paths.extend(below(entries, ".conf"));
            paths.extend(defaults.clone());
            // grubby keeps these in step.
            paths.extend(
                ["/etc/default/grub", "/etc/kernel/cmdline", "/boot/grub2/grubenv"].map(HostPath::fixed),
            );
        }
    }
    // On UEFI the environment block is a link to the system partition.
    for path in paths.iter_mut().filter(|path| path.as_str().ends_with("/grubenv")) {
        if let Some(target) = host.link(path).and_then(|target| resolved(path, &target)) {
            *path = target;
        }
    }
    paths.sort();
    paths.dedup();
    paths.retain(|path| !host.path(path).is_symlink());
    paths.iter().map(|path| found_at(host, path)).collect()
}

/// What a link names.
fn resolved(link: &HostPath, target: &std::path::Path) -> Option<HostPath> {
    let mut parts: Vec<&str> = Vec::new();
    let whole = link.as_path().parent()?.join(target);
    for part in whole.components() {
        match part {
            std::path::Component::ParentDir => drop(parts.pop()),
            std::path::Component::Normal(name) => parts.push(name.to_str()?),
            _ => {}
        }
    }
    format!("/{}", parts.join("/")).parse().ok()
}

/// What edits of the command line did, seen from the files that were found before the first of them.
#[must_use]
pub fn inverse(loader: &Loader, edits: &[&ArgEdit], found: &[FileAt]) -> Change {
    let line = entries::lines(loader, found).into_iter().next().unwrap_or_default();
    Change::of(&line, edits)
}

/// Takes back what edits did where the files were changed by others since: ours goes, theirs stays.
pub fn give_back(host: &HostRoot, loader: &Loader, change: &Change) -> Result<(), HostError> {
    carry_out(host, loader, Aim::Back(change))
}

fn carry_out(host: &HostRoot, loader: &Loader, aim: Aim<'_>) -> Result<(), HostError> {
    let found = files(host, loader)?;
    match loader {
        Loader::Grub { defaults, drop_ins, config, generator } => {
            for file in grub::edited(defaults, drop_ins.as_ref(), &found, aim)? {
                settle(host, &file)?;
            }
            generate(host, *generator, config)?;
        }
        Loader::Bls { entries, grubby, defaults } => {
            if *grubby {
                run_grubby(host, loader, &found, aim)?;
            } else {
                for file in bls::edited_entries(entries, &found, aim) {
                    settle(host, &file)?;
                }
            }
            if let Some(defaults) = defaults {
                for file in bls::edited_defaults(defaults, &files(host, loader)?, aim)? {
                    settle(host, &file)?;
                }
            }
        }
    }
    judge(host, loader, aim)
}

fn generate(host: &HostRoot, generator: GrubGenerator, config: &HostPath) -> Result<(), HostError> {
    match generator {
        GrubGenerator::UpdateGrub => host.run("update-grub", &[], SLOW)?,
        GrubGenerator::Grub2Mkconfig => host.run("grub2-mkconfig", &["-o", config.as_str()], SLOW)?,
        GrubGenerator::GrubMkconfig => host.run("grub-mkconfig", &["-o", config.as_str()], SLOW)?,
    };
    Ok(())
}

fn run_grubby(host: &HostRoot, loader: &Loader, found: &[FileAt], aim: Aim<'_>) -> Result<(), HostError> {
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for line in entries::lines(loader, found) {
        let line = words(&line);
        let (at, new) = aim.on(&line);
        gone.extend(
            at.into_iter().map(|at| line[at].clone()).filter(|word| !gone.contains(word)).collect::<Vec<_>>(),
        );
        come.extend(new.into_iter().filter(|word| !come.contains(word)).collect::<Vec<_>>());
    }
    let (gone, come) = (format!("--remove-args={}", gone.join(" ")), format!("--args={}", come.join(" ")));
    let given = [gone.as_str(), come.as_str()].into_iter().filter(|option| !option.ends_with('='));
    let options: Vec<&str> = ["--update-kernel=ALL"].into_iter().chain(given).collect();
    if options.len() > 1 {
        host.run("grubby", &options, SLOW)?;
    }
    keeps_the_rest(host, loader, found, aim)
}

/// grubby takes an argument for another one of the same name, and drops that: `console=`, a second size of hugepages.
fn keeps_the_rest(host: &HostRoot, loader: &Loader, found: &[FileAt], aim: Aim<'_>) -> Result<(), HostError> {
    let are = entries::lines(loader, &files(host, loader)?);
    for (line, is) in entries::lines(loader, found).iter().map(words).zip(&are) {
        let (gone, _) = aim.on(&line);
        let has = words(is);
        let stays = line.iter().enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, word)| word);
        if let Some(lost) = stays.into_iter().find(|word| !has.contains(word)) {
            return Err(refused(
                format!("grubby took away `{lost}` too: a boot entry would start with `{is}`"),
                "it drops other arguments of the same name; change them by hand first",
            ));
        }
    }
    Ok(())
}

fn judge(host: &HostRoot, loader: &Loader, aim: Aim<'_>) -> Result<(), HostError> {
    let lines = entries::lines(loader, &files(host, loader)?);
    match lines.iter().find(|line| !aim.holds(line)) {
        None if !lines.is_empty() => Ok(()),
        None => Err(refused("no boot entry of this system was found", "check what the boot loader reads")),
        Some(line) => Err(refused(
            format!("the kernel arguments were written, yet a boot entry would start with `{line}`"),
            "something else writes the boot loader's configuration too; look for it in /etc/grub.d and /etc/kernel",
        )),
    }
}

/// GRUB's own language reads the line before the kernel does, and grubby splits it at every blank.
fn is_plain(word: &str, by_grubby: bool) -> bool {
    let bad = ['$', '`', '\\', ';', '&', '|', '<', '>', '{', '}', '\''];
    !(word.contains(bad) || by_grubby && word.contains(['"', ' ']))
}

impl Hand for BootArgs {
    fn check(&self, host: &HostRoot) -> Result<(), HostError> {
        let found = files(host, &self.loader)?;
        for file in &found {
            if let Some(directory) = file.path.parent().filter(|directory| host.exists(directory)) {
                has_room(host, &directory, file.file.as_ref().map_or(0, |file| file.content.0.len() as u64))?;
            }
        }
        let BootState::Edited(edit) = &self.state else { return Ok(()) };
        let by_grubby = matches!(self.loader, Loader::Bls { grubby: true, .. });
        if let Some(bad) = edit.set.iter().find(|arg| !is_plain(arg.raw(), by_grubby)) {
            let what =
                format!("kernel argument `{bad}` has a character that means something to the boot loader");
            return Err(refused(
                what,
                "leave out $ ` \\ ; & | < > { } and ', with grubby quotes and blanks too",
            ));
        }
        if entries::lines(&self.loader, &found).is_empty() {
            return Err(refused(
                "no boot entry of this system was found",
                "run the boot loader's generator once",
            ));
        }
        match &self.loader {
            Loader::Grub { defaults, drop_ins, .. } => {
                grub::edited(defaults, drop_ins.as_ref(), &found, Aim::Edit(edit)).map(drop)
            }
            Loader::Bls { defaults: Some(defaults), .. } => {
                bls::edited_defaults(defaults, &found, Aim::Edit(edit)).map(drop)
            }
            Loader::Bls { defaults: None, .. } => Ok(()),
        }
    }

    fn observe(&self, host: &HostRoot) -> Result<Action, HostError> {
        let mut found = files(host, &self.loader)?;
        if let BootState::Files(known) = &self.state {
            // A file that was known and is gone is a difference too.
            let gone: Vec<_> =
                known.iter().filter(|file| !found.iter().any(|now| now.path == file.path)).collect();
            let gone =
                gone.into_iter().map(|file| found_at(host, &file.path)).collect::<Result<Vec<_>, _>>()?;
            found.extend(gone);
            found.sort_by(|one, other| one.path.cmp(&other.path));
        }
        Ok(Action::BootArgs(Self { loader: self.loader.clone(), state: BootState::Files(found) }))
    }

    fn holds(&self, host: &HostRoot) -> Result<bool, HostError> {
        match &self.state {
            BootState::Edited(edit) => {
                let lines = entries::lines(&self.loader, &files(host, &self.loader)?);
                Ok(!lines.is_empty() && lines.iter().all(|line| Aim::Edit(edit).holds(line)))
            }
            BootState::Files(wanted) => {
                wanted.iter().try_fold(true, |so, file| Ok(so && host.file(&file.path)? == file.file))
            }
        }
    }

    fn act(&self, host: &HostRoot) -> Result<(), HostError> {
        match &self.state {
            BootState::Edited(edit) => carry_out(host, &self.loader, Aim::Edit(edit))?,
            BootState::Files(wanted) => wanted.iter().try_for_each(|file| settle(host, file))?,
        }
        tracing::info!("kernel command line of the next boot changed");
        Ok(())
    }
}
