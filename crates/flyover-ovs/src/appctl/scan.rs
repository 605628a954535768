//! Small finds in lines that were printed for people.

use std::collections::BTreeMap;
use std::str::FromStr;

/// What a datapath says of a port in brackets: `(dpdk: configured_rx_queues=1, mtu=1500)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    /// `tap`, `dpdk`, `dpdkvhostuserclient`, …
    pub name: String,
    /// How it is set up.
    pub settings: BTreeMap<String, String>,
}

impl Kind {
    pub(super) fn of(text: &str) -> Self {
        let text = text.trim();
        let text = text.strip_prefix('(').unwrap_or(text);
        let text = text.strip_suffix(')').unwrap_or(text);
        let (name, settings) = text.split_once(':').unwrap_or((text, ""));
        let pairs = settings.split(',').filter_map(|pair| pair.trim().split_once('='));
        let settings = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { name: name.trim().to_owned(), settings }
    }
}

/// The number that a text begins with: `12 %`, `7 (3.0%)`, `8,`.
pub(super) fn number<T: FromStr>(text: &str) -> Option<T> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The number that a text begins with, with what comes after a point.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text[..end].parse().ok()
}

/// What follows the first `key` of a line.
pub(super) fn after<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_once(key).map(|(_, rest)| rest)
}

/// The number that follows the first `key` of a line.
pub(super) fn count(line: &str, key: &str) -> Option<u64> {
    after(line, key).and_then(number)
}

/// How far a line is indented.
pub(super) fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
