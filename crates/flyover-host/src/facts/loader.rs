//! What writes the kernel's command line of the next boot.
//!
//! Invariant: a loader is told only where all that is needed to change it is there. Debian's GRUB comes first: a
//! Debian may have entries after the Boot Loader Specification that nothing reads.

use flyover_core::HostPath;
use flyover_core::facts::{GrubGenerator, Loader, OsFacts};

use super::dir::{Dir, first_present};
use crate::root::HostRoot;

const GRUB_DEFAULTS: &str = "/etc/default/grub";
const KERNEL_CMDLINE: &str = "/etc/kernel/cmdline";
const ENTRIES: [&str; 3] = ["/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries"];

/// Finds the loader.
pub(super) fn read(host: &HostRoot, os: &OsFacts) -> Option<Loader> {
    let grub = host.text(&HostPath::fixed(GRUB_DEFAULTS));
    let debian = grub.as_ref().and_then(|_| debian(host, os));
    debian.or_else(|| entries(host, grub.as_deref())).or_else(|| generated(host, grub.is_some()))
}

fn debian(host: &HostRoot, os: &OsFacts) -> Option<Loader> {
    first_present(host, &["/usr/sbin/update-grub", "/sbin/update-grub"])?;
    let debian = os.id == "debian" || os.like.iter().any(|like| like == "debian");
    Some(Loader::Grub {
        defaults: HostPath::fixed(GRUB_DEFAULTS),
        // Only Debian's grub-mkconfig sources it.
        drop_ins: debian.then(|| HostPath::fixed("/etc/default/grub.d")),
        config: HostPath::fixed("/boot/grub/grub.cfg"),
        generator: GrubGenerator::UpdateGrub,
    })
}

/// Entries count where GRUB was told to read them, or where there is no GRUB that could ignore them.
fn entries(host: &HostRoot, grub: Option<&str>) -> Option<Loader> {
    if grub.is_some_and(|defaults| !reads_entries(defaults)) {
        return None;
    }
    let has_entries =
        |dir: &&&str| !Dir::at(host, dir).names_like(&|name| name.ends_with(".conf")).is_empty();
    let entries = ENTRIES.iter().find(has_entries).map(|dir| HostPath::fixed(dir))?;
    Some(Loader::Bls {
        entries,
        grubby: first_present(host, &["/usr/sbin/grubby", "/sbin/grubby", "/usr/bin/grubby"]).is_some(),
        defaults: first_present(host, &[KERNEL_CMDLINE, GRUB_DEFAULTS]),
    })
}

fn reads_entries(defaults: &str) -> bool {
    let value =
        defaults.lines().filter_map(|line| line.trim().strip_prefix("GRUB_ENABLE_BLSCFG=")).next_back();
    value.is_some_and(|value| value.trim_matches(['"', '\'']) == "true")
}

fn generated(host: &HostRoot, defaults: bool) -> Option<Loader> {
    let programs = [
        ("/usr/sbin/grub2-mkconfig", GrubGenerator::Grub2Mkconfig),
        ("/usr/sbin/grub-mkconfig", GrubGenerator::GrubMkconfig),
        ("/usr/bin/grub-mkconfig", GrubGenerator::GrubMkconfig),
    ];
    let (_, generator) = programs.into_iter().find(|(path, _)| host.exists(&HostPath::fixed(path)))?;
    let config = match generator {
        GrubGenerator::Grub2Mkconfig => {
            efi_config(host).or_else(|| first_present(host, &["/boot/grub2/grub.cfg"]))?
        }
        _ => first_present(host, &["/boot/grub/grub.cfg"])?,
    };
    defaults.then(|| Loader::Grub {
        defaults: HostPath::fixed(GRUB_DEFAULTS),
        drop_ins: None,
        config,
        generator,
    })
}

/// RHEL 8 and older keep the whole configuration on the EFI partition; later ones keep a stub there that
/// loads the one in /boot.
fn efi_config(host: &HostRoot) -> Option<HostPath> {
    let vendors = Dir::at(host, "/boot/efi/EFI");
    let names = vendors.names();
    let whole = |dir: &Dir<'_>| dir.text("grub.cfg").is_some_and(|text| !text.contains("configfile"));
    names.iter().map(|name| vendors.below(name)).find(whole).map(|dir| dir.path("grub.cfg"))
}
