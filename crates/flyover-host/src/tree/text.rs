//! The text of a tree: an entry a line, sorted by path, in a form that shows its changes line by line.
//!
//! ```text
//! d /run/systemd/system
//! f 0644 /proc/sys/vm/nr_hugepages "0\n"
//! l /sys/class/net/eth0 ../../devices/pci0000:00/0000:00:03.0/net/eth0
//! x systemctl show chronyd => "Id=chrony.service\n"
//! ```
//! A path, a target or a command that would not stand on its line as one is written as a JSON string. Blank lines and
//! lines that begin with `#` are for people.

use std::fmt;
use std::str::FromStr;

use flyover_core::HostPath;

use super::{HostTree, Node};

/// What is between a command and its answer.
const ANSWERS: &str = " => ";

/// Why a text is not that of a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the host tree is not {expected}: `{text}`")]
pub struct BadHostTree {
    line: usize,
    expected: &'static str,
    text: String,
}

impl FromStr for HostTree {
    type Err = BadHostTree;

    fn from_str(text: &str) -> Result<Self, BadHostTree> {
        let mut tree = Self::default();
        for (at, line) in text.split('\n').enumerate() {
            let entry = line.trim_end_matches('\r');
            if entry.trim().is_empty() || entry.starts_with('#') {
                continue;
            }
            tree.read(entry).map_err(|expected| BadHostTree {
                line: at + 1,
                expected,
                text: shortened(line),
            })?;
        }
        Ok(tree)
    }
}

fn shortened(line: &str) -> String {
    line.chars().take(80).collect()
}

impl HostTree {
    fn read(&mut self, entry: &str) -> Result<(), &'static str> {
        let (kind, rest) = entry.split_once(' ').unwrap_or((entry, ""));
        match kind {
            "d" => {
                let path = path(rest).filter(|(_, rest)| rest.is_empty()).ok_or("`d PATH`")?.0;
                self.put(path, Node::Dir);
            }
            "l" => {
                let (path, target) = link(rest).ok_or("`l PATH TARGET`")?;
                self.put(path, Node::Link(target));
            }
            "f" => {
                let (path, node) = file(rest).ok_or("`f MODE PATH \"CONTENT\"`")?;
                self.put(path, node);
            }
            "x" => {
                let (command, output) = answer(rest).ok_or("`x COMMAND => \"OUTPUT\"`")?;
                self.put_answer(command, output);
            }
            _ => return Err("an entry (they begin with `d`, `f`, `l` or `x`)"),
        }
        Ok(())
    }
}

fn path(text: &str) -> Option<(HostPath, &str)> {
    let (word, rest) = word(text, " ")?;
    Some((word.parse().ok()?, rest))
}

fn link(text: &str) -> Option<(HostPath, String)> {
    let (path, rest) = path(text)?;
    let (target, rest) = word(rest, " ")?;
    rest.is_empty().then_some((path, target))
}

fn file(text: &str) -> Option<(HostPath, Node)> {
    let (mode, rest) = text.split_once(' ')?;
    let (path, content) = path(rest)?;
    let content = serde_json::from_str(content).ok()?;
    Some((path, Node::File { mode: mode.parse().ok()?, content }))
}

fn answer(text: &str) -> Option<(String, String)> {
    let (command, output) = word(text, ANSWERS)?;
    Some((command, serde_json::from_str(output).ok()?))
}

/// A word up to its end mark, or a JSON string, and what follows the mark.
fn word<'t>(text: &'t str, end: &str) -> Option<(String, &'t str)> {
    if !text.starts_with('"') {
        let (word, rest) = text.split_once(end).unwrap_or((text, ""));
        return (!word.is_empty()).then(|| (word.to_owned(), rest));
    }
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let word = strings.next()?.ok()?;
    let rest = &text[strings.byte_offset()..];
    Some((word, if rest.is_empty() { rest } else { rest.strip_prefix(end)? }))
}

/// A word as it is read again: as it is, or as a JSON string.
fn written(word: &str, end: &str) -> String {
    let plain = !word.is_empty()
        && !word.starts_with('"')
        && !word.contains(end)
        && !word.ends_with(' ')
        && !word.chars().any(char::is_control);
    if plain { word.to_owned() } else { json(&word) }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("strings and bytes have a form in JSON")
}

impl fmt::Display for HostTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, node) in &self.nodes {
            let path = written(path.as_str(), " ");
            match node {
                Node::Dir => writeln!(f, "d {path}")?,
                Node::File { mode, content } => writeln!(f, "f {mode} {path} {}", json(content))?,
                Node::Link(target) => writeln!(f, "l {path} {}", written(target, " "))?,
            }
        }
        self.answers.iter().try_for_each(|(command, output)| {
            writeln!(f, "x {}{ANSWERS}{}", written(command, ANSWERS), json(output))
        })
    }
}
