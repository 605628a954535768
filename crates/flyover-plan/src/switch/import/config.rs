//! `/opt/ovs-config/config.cfg` of kube-ovn: each line is an option of the switch, written as a shell would have it.
//!
//! kube-ovn sources such files as root. Here a line is a key and a value, or it is refused as what it is.

use flyover_api::SwitchSpec;
use flyover_core::facts::HostFacts;

use super::{Imported, finish};
use crate::switch::Release;
use crate::switch::lint::Finding;

/// Keys of kube-ovn's `ovs-dpdk-config`, which stands beside it, and the field that says the same.
const OF_OVS_DPDK_CONFIG: [(&str, &str); 6] = [
    ("DPDK_DEV", "bridges[].uplinks[].device"),
    ("DPDK_TUNNEL_IFACE", "bridges[].name"),
    ("BOND_TYPE", "bridges[].bond.mode"),
    ("VLAN_TAG", "bridges[].vlan"),
    ("MTU", "bridges[].mtu"),
    ("ENCAP_IP", "nothing here: tunnels are the cluster network's own"),
];

/// Longer names are no keys.
const LONGEST_KEY: usize = 64;

/// The switch that such a file means. What depends on the host is said where one is given.
#[must_use]
pub fn config_cfg(text: &str, on: Option<(&HostFacts, &Release)>) -> Imported {
    let mut spec = SwitchSpec::default();
    let mut findings = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let at = format!("line {number}");
        match setting(line) {
            Ok(None) => {}
            Ok(Some((key, value))) => findings.extend(take(&mut spec, &at, key, value)),
            Err(why) => findings.push(
                Finding::error(&at, format!("it is not KEY=VALUE: {why}"))
                    .hint("a value here is the option's own text, as `ovs-vsctl` shows it"),
            ),
        }
    }
    finish(&spec, findings, on)
}

fn take(spec: &mut SwitchSpec, at: &str, key: &str, value: String) -> Option<Finding> {
    if let Some((_, field)) = OF_OVS_DPDK_CONFIG.iter().find(|(known, _)| *known == key) {
        let finding = Finding::note(at, format!("{key} is of kube-ovn's ovs-dpdk-config and is left out"));
        return Some(finding.hint(format!("say it with {field}")));
    }
    let earlier = spec.options.insert(key.to_owned(), value.clone());
    let again = earlier.filter(|earlier| *earlier != value);
    again.map(|earlier| {
        let what = format!("{key} is there already, as `{earlier}`: the last one counts, `{value}`");
        Finding::warning(at, what).hint("keep one of them")
    })
}

/// The key and value of a line; none where it is blank or a comment.
fn setting(line: &str) -> Result<Option<(&str, String)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let line = line.strip_prefix("other_config:").unwrap_or(line);
    let (key, value) = line.split_once('=').ok_or_else(|| "there is no `=`".to_owned())?;
    let clean = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if key.is_empty() || key.len() > LONGEST_KEY || !key.chars().all(clean) {
        return Err("what is before `=` is no key (letters, digits, `-` and `_`)".to_owned());
    }
    Ok(Some((key, unquoted(value)?)))
}

/// A word of a shell without its quotes. What a shell would run or replace is refused.
fn unquoted(text: &str) -> Result<String, String> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => quoted(&mut chars, '\'', &mut value)?,
            '"' => quoted(&mut chars, '"', &mut value)?,
            c if c.is_whitespace() => {
                check_rest(chars.as_str().trim_start())?;
                break;
            }
            c => value.push(plain(c)?),
        }
    }
    Ok(value)
}

fn quoted(chars: &mut std::str::Chars<'_>, quote: char, value: &mut String) -> Result<(), String> {
    for c in chars {
        if c == quote {
            return Ok(());
        }
        // In double quotes a shell still replaces; in single ones nothing.
        value.push(if quote == '"' { replaced(c)? } else { c });
    }
    Err(format!("the quote {quote} does not end"))
}

fn check_rest(rest: &str) -> Result<(), String> {
    if rest.is_empty() || rest.starts_with('#') {
        return Ok(());
    }
    Err(format!("after the value stands `{rest}`, which a shell would run with it"))
}

fn plain(c: char) -> Result<char, String> {
    match c {
        ';' | '&' | '|' => Err(format!("`{c}` begins another command")),
        '<' | '>' => Err(format!("`{c}` opens a file")),
        '(' | ')' => Err("it is a list of the shell's".to_owned()),
        _ => replaced(c),
    }
}

fn replaced(c: char) -> Result<char, String> {
    match c {
        '$' => Err("`$` stands for a variable or a command's output".to_owned()),
        '`' => Err("a backtick runs a command".to_owned()),
        '\\' => Err("a backslash changes what follows".to_owned()),
        c if c.is_control() => Err(format!("{c:?} is a control character")),
        _ => Ok(c),
    }
}
