//! What differs between the versions of Open vSwitch.

use serde::Serialize;

/// Bytes of an object in a pool beside the packet's buffer: `struct dp_packet`, the pool's header and its padding.
/// Measured, for each version of OVS with the DPDK it is built with.
const OVERHEADS: [((u32, u32), u64); 1] = [((3, 1), 832)];

/// A version of Open vSwitch, as far as sizes and options depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Release {
    /// Its major and minor number; none where no daemon says.
    pub version: Option<(u32, u32)>,
    /// Bytes of an object beside its buffer.
    pub overhead: u64,
    /// How that is known.
    pub why: String,
}

impl Release {
    /// The release that calls itself so: `3.1.0`. What is not known is taken to be like the nearest that is.
    #[must_use]
    pub fn of(version: Option<&str>) -> Self {
        let version = version.and_then(numbers);
        let known = OVERHEADS.iter().find(|(known, _)| Some(*known) == version);
        let ((major, minor), overhead) = *known.unwrap_or(&OVERHEADS[0]);
        let why = match (known, version) {
            (Some(_), _) => format!("measured on OVS {major}.{minor}"),
            (None, Some((own, its))) => {
                format!("taken from OVS {major}.{minor}, for OVS {own}.{its} was not measured")
            }
            (None, None) => format!("taken from OVS {major}.{minor}, for no daemon says its version"),
        };
        Self { version, overhead, why }
    }

    /// The same release with an overhead that a running switch was asked for: the size of its objects less their
    /// buffers.
    #[must_use]
    pub fn with_overhead(self, overhead: u64) -> Self {
        Self { overhead, why: "read from the running switch".to_owned(), ..self }
    }

    /// Whether it is that version or a later one; none where no daemon says.
    #[must_use]
    pub fn is_at_least(&self, version: (u32, u32)) -> Option<bool> {
        self.version.map(|own| own >= version)
    }
}

fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim().split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
