//! Rooms that think do not touch the machine: neither by a crate, however far down, nor by the standard library.

use std::collections::BTreeSet;

use crate::source::{product_lines, used_paths};
use crate::tables::{IO_CRATES, IO_NAMES, PURE};
use crate::{Fault, File, Packages, Reach, Tree};

/// Faults of pure rooms that link a crate which touches the machine.
pub fn dependencies(packages: &Packages) -> Vec<Fault> {
    let pure = packages.rooms().filter(|(room, _)| PURE.contains(&room.name.as_str()));
    pure.flat_map(|(room, manifest)| {
        let start = packages.all.iter().position(|p| p == room);
        let linked = start.map(|i| linked_by(packages, i)).unwrap_or_default();
        linked
            .into_iter()
            .map(|i| packages.all[i].name.as_str())
            .filter(|name| IO_CRATES.contains(name))
            .map(|name| Fault::of(manifest, format!("`{}` thinks only, and links `{name}`", room.name)))
            .collect::<Vec<_>>()
    })
    .collect()
}

/// Faults of pure rooms whose source names what touches the machine.
pub fn sources(tree: &Tree) -> Vec<Fault> {
    let product =
        |f: &&File| f.crate_name().is_some_and(|c| PURE.contains(&c)) && f.path.iter().any(|p| p == "src");
    tree.ending(&["rs"]).filter(product).flat_map(source).collect()
}

fn linked_by(packages: &Packages, start: usize) -> BTreeSet<usize> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(next) = open.pop() {
        let arrows = packages.all[next].dependencies.iter().filter(|d| d.reach == Reach::Product);
        open.extend(arrows.map(|d| d.to).filter(|to| seen.insert(*to)));
    }
    seen
}

fn source(file: &File) -> Vec<Fault> {
    let named = |line: usize, name: &str| {
        Fault::at(&file.path, line, format!("names `{name}` in a room that only thinks"))
    };
    let used = used_paths(&file.text);
    let used = used
        .iter()
        .flat_map(|(n, path)| IO_NAMES.iter().filter(|io| begins_with(path, io)).map(|io| (*n, *io)));
    let said = product_lines(&file.text)
        .filter(|(_, line)| !line.trim_start().starts_with("use "))
        .flat_map(|(n, line)| IO_NAMES.iter().filter(|io| line.contains(**io)).map(move |io| (n, *io)));
    let found: BTreeSet<(usize, &str)> = used.chain(said).collect();
    let mut faults: Vec<Fault> = found.into_iter().map(|(n, io)| named(n, io)).collect();
    faults.extend(
        product_lines(&file.text).filter(|(_, l)| l.contains("async fn")).map(|(n, _)| named(n, "async")),
    );
    faults
}

fn begins_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with(" as "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(text: &str) -> Vec<String> {
        sources(&Tree::of([("crates/flyover-core/src/a.rs", text)])).iter().map(Fault::to_string).collect()
    }

    #[test]
    fn an_io_crate_far_down_is_a_fault() {
        let packages = Packages::of(
            &[("flyover-core", "0.1.0", "MIT"), ("rand", "1.0.0", "MIT"), ("libc", "0.2.0", "MIT")],
            &[("flyover-core", "rand", Reach::Product), ("rand", "libc", Reach::Product)],
        );
        let faults = dependencies(&packages);
        assert_eq!(
            faults,
            [Fault::of("crates/flyover-core/Cargo.toml", "`flyover-core` thinks only, and links `libc`")]
        );
    }

    #[test]
    fn tests_of_a_pure_room_may_link_what_they_like() {
        let packages = Packages::of(
            &[("flyover-core", "0.1.0", "MIT"), ("tempfile", "3.0.0", "MIT")],
            &[("flyover-core", "tempfile", Reach::Tests)],
        );
        assert!(dependencies(&packages).is_empty());
    }

    #[test]
    fn naming_the_file_system_is_a_fault_in_a_group_too() {
        assert_eq!(
            core("use std::{fmt, fs};\n"),
            ["crates/flyover-core/src/a.rs:1: names `std::fs` in a room that only thinks"]
        );
        assert_eq!(core("fn f() { std::env::var(\"A\"); }\n").len(), 1);
        assert_eq!(core("async fn f() {}\n").len(), 1);
    }

    #[test]
    fn addresses_are_words_and_sockets_are_not() {
        assert!(core("use std::net::{IpAddr, SocketAddr};\n").is_empty());
        assert_eq!(core("use std::net::{IpAddr, TcpStream};\n").len(), 1);
    }

    #[test]
    fn comments_tests_and_other_rooms_are_free() {
        assert!(core("// like std::fs\n#[cfg(test)]\nuse std::fs;\n").is_empty());
        assert!(sources(&Tree::of([("crates/flyover-net/src/a.rs", "use std::fs;\n")])).is_empty());
    }
}
