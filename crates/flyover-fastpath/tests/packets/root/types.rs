//! `bpf/vmlinux.h` is what the running kernel's own types come to when reduced to the fields that the programs read.
//!
//! To read another field, name it in [`WANTED`] and write the file anew, on a kernel that has it:
//! `FLYOVER_WRITE=1 cargo test -p flyover-fastpath --test packets the_reduced_header`.

use std::fs;
use std::time::Duration;

use flyover_fastpath::Abilities;
use flyover_host::cmd::Cmd;

/// What is read of which type. A dot goes into a struct without a name of its own.
const WANTED: [(&str, &[&str]); 9] = [
    ("union nf_inet_addr", &["all"]),
    ("union nf_conntrack_man_proto", &["all"]),
    ("struct nf_conntrack_man", &["u3", "u", "l3num"]),
    ("struct nf_conntrack_tuple", &["src", "dst.u3", "dst.u.all", "dst.protonum"]),
    ("struct nf_conntrack_tuple_hash", &["tuple"]),
    ("struct ip_ct_tcp", &["state"]),
    ("union nf_conntrack_proto", &["tcp"]),
    ("struct nf_conn", &["tuplehash", "status", "proto"]),
    ("struct sk_buff", &["ip_summed", "csum"]),
];

/// Names of the same types that kernels and compilers do not agree on.
const SAME: [(&str, &str); 4] = [
    ("u_int8_t", "__u8"),
    ("u_int16_t", "__u16"),
    ("long unsigned int", "unsigned long"),
    ("__wsum", "__u32"),
];

const HEADER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/vmlinux.h");
const BEGIN: &str =
    "#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)\n\n";
const END: &str = "#pragma clang attribute pop\n";

/// A member of a struct or union: what it is, and what is in it if that has no name.
#[derive(Debug)]
struct Member {
    kind: String,
    name: String,
    inside: Vec<Member>,
}

/// The kernel's types as C, conntrack's among them where they are a module's.
fn kernel() -> String {
    let _loaded = Abilities::of_kernel().expect("the kernel tells its types");
    let (all, module) = ("/sys/kernel/btf/vmlinux", "/sys/kernel/btf/nf_conntrack");
    let of = if fs::exists(module).unwrap_or(false) { module } else { all };
    let base: &[&str] = if of == module { &["-B", all] } else { &[] };
    let dump = Cmd::new("bpftool").args(base).args(["btf", "dump", "file", of, "format", "c"]);
    // An emulated processor that others leave little of takes its time.
    dump.timeout(Duration::from_secs(300)).run().expect("bpftool reads the kernel's types")
}

/// The members up to the closing brace, which is taken too.
fn members<'a>(lines: &mut impl Iterator<Item = &'a str>) -> (Vec<Member>, String) {
    let mut found = Vec::new();
    while let Some(line) = lines.next().map(str::trim) {
        if let Some(name) = line.strip_prefix('}') {
            return (found, name.trim_end_matches(';').trim().to_owned());
        }
        if let Some(kind) = line.strip_suffix('{') {
            let (inside, name) = members(lines);
            found.push(Member { kind: kind.trim().to_owned(), name, inside });
        } else if let Some((kind, name)) = line.trim_end_matches(';').rsplit_once([' ', '*']) {
            // A bit field's width stands apart.
            let (kind, name) = match (kind.strip_suffix(':'), kind.rsplit_once(' ')) {
                (Some(field), _) => match field.rsplit_once(' ') {
                    Some((kind, field)) => (kind, format!("{field} : {name}")),
                    None => continue,
                },
                _ => (kind, name.to_owned()),
            };
            found.push(Member { kind: kind.to_owned(), name, inside: Vec::new() });
        }
    }
    panic!("a type has no end");
}

/// The member of that name, also within members that have none.
fn find<'a>(among: &'a [Member], name: &str) -> Option<&'a Member> {
    let is = |m: &&Member| m.name.split(['[', ' ']).next() == Some(name);
    let nameless = among.iter().filter(|m| m.name.is_empty());
    among.iter().find(is).or_else(|| nameless.into_iter().find_map(|m| find(&m.inside, name)))
}

/// Writes those of the members that are wanted.
fn reduce(of: &[Member], wanted: &[&str], depth: usize) -> String {
    let mut text = String::new();
    let mut done = Vec::new();
    for path in wanted {
        let first = path.split('.').next().unwrap_or(path);
        if done.contains(&first) {
            continue;
        }
        done.push(first);
        let member = find(of, first).unwrap_or_else(|| panic!("the kernel has no `{path}`"));
        let kind =
            SAME.iter().find(|(other, _)| *other == member.kind).map_or(&*member.kind, |(_, ours)| ours);
        let (tabs, name) = ("\t".repeat(depth), &member.name);
        let deeper: Vec<_> = wanted.iter().filter_map(|p| p.strip_prefix(first)?.strip_prefix('.')).collect();
        text += &if deeper.is_empty() {
            format!("{tabs}{kind} {name};\n")
        } else {
            format!("{tabs}{kind} {{\n{}{tabs}}} {name};\n", reduce(&member.inside, &deeper, depth + 1))
        };
    }
    text
}

fn reduced(kernel: &str) -> String {
    let mut text = String::new();
    for (name, wanted) in WANTED {
        let start =
            kernel.find(&format!("\n{name} {{\n")).unwrap_or_else(|| panic!("the kernel has no {name}"));
        let (members, _) = members(&mut kernel[start + 1..].lines().skip(1));
        text += &format!("{name} {{\n{}}};\n\n", reduce(&members, wanted, 1));
    }
    text
}

#[test]
fn the_reduced_header_is_what_this_kernels_types_come_to() {
    let (kernel, header) = (kernel(), include_str!("../../../bpf/vmlinux.h"));
    let (head, rest) = header.split_once(BEGIN).expect("the header marks where the types begin");
    let (types, tail) = rest.split_once(END).expect("the header marks where the types end");
    let made = reduced(&kernel);
    if std::env::var_os("FLYOVER_WRITE").is_some() {
        fs::write(HEADER, [head, BEGIN, &made, END, tail].concat()).expect("the header can be written");
    } else {
        assert_eq!(types, made);
    }
}
