//! Sets and maps: `NFT_MSG_NEWSET`, `NFT_MSG_NEWSETELEM`.

use std::collections::HashMap;

use super::super::model::{Family, Verdict};
use super::chain::split;
use super::expr::verdict;
use crate::nl::{Attrs, Malformed};

/// More elements than this are not looked at one by one.
const MOST: usize = 1 << 16;

/// `NFT_SET_INTERVAL`, `NFT_SET_MAP`.
const INTERVAL: u32 = 4;
const MAP: u32 = 8;
/// `NFT_SET_EVAL`: packets themselves add and update elements.
const DYNAMIC: u32 = 0x20;
/// `NFT_DATA_VERDICT`.
const VERDICTS: u32 = 0xffff_ff00;

/// Name of a set: its table's family, its table, its own.
pub(crate) type SetName = (Family, String, String);

/// All sets of a rule set.
pub(crate) type Sets = HashMap<SetName, Set>;

/// A set or map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) interval: bool,
    pub(crate) verdicts: bool,
    pub(crate) anonymous: bool,
    /// The kind of object a map leads to, `NFT_OBJECT_*`.
    pub(crate) object: Option<u32>,
    /// What each look-up that hits does besides, such as `limit` or `counter`.
    pub(crate) judges: Vec<String>,
    pub(crate) elements: Vec<Element>,
    /// Whether there are more elements than were kept.
    pub(crate) cut: bool,
}

/// An element. Without a key it stands for all that no other element has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) key: Option<Vec<u8>>,
    /// Whether it is the first value outside of an interval.
    pub(crate) end: bool,
    pub(crate) verdict: Option<Verdict>,
}

impl Set {
    /// Whether the elements matter to the analysis: those of named sets change often, and narrow only.
    pub(crate) fn wants_elements(&self) -> bool {
        self.anonymous || self.verdicts
    }
}

/// Reads the body of an `NFT_MSG_NEWSET`.
pub(crate) fn parse_set(body: &[u8]) -> Result<Option<(SetName, Set)>, Malformed> {
    let bad = Malformed { what: "set" };
    let (family, attrs) = split(body, "set")?;
    let Some(family) = family else { return Ok(None) };
    let name = (family, attrs.text(1).ok_or(bad)?, attrs.text(2).ok_or(bad)?);
    let flags = attrs.be32(3).unwrap_or_default();
    let mut judges = Vec::new();
    judges.extend(attrs.nested(17, "set expression")?.text(1));
    for expression in attrs.nested(18, "set expressions")?.iter() {
        judges.extend(Attrs::parse(expression.value, "set expression")?.text(1));
    }
    if flags & DYNAMIC != 0 {
        judges.push("dynamic set".to_owned());
    }
    let set = Set {
        interval: flags & INTERVAL != 0,
        verdicts: flags & MAP != 0 && attrs.be32(6) == Some(VERDICTS),
        anonymous: flags & 1 != 0,
        object: attrs.be32(15),
        judges,
        elements: Vec::new(),
        cut: false,
    };
    Ok(Some((name, set)))
}

/// Reads the body of an `NFT_MSG_NEWSETELEM` into its set.
pub(crate) fn parse_elements(body: &[u8], sets: &mut Sets) -> Result<(), Malformed> {
    let bad = Malformed { what: "set elements" };
    let (family, attrs) = split(body, "set elements")?;
    let Some(family) = family else { return Ok(()) };
    let name = (family, attrs.text(1).ok_or(bad)?, attrs.text(2).ok_or(bad)?);
    let Some(set) = sets.get_mut(&name) else { return Ok(()) };
    for one in attrs.nested(3, "set elements")?.iter() {
        let element = element(Attrs::parse(one.value, "set element")?)?;
        if set.elements.len() < MOST {
            set.elements.push(element);
        } else {
            set.cut = true;
        }
    }
    // A hash table lists them in any order; what is reported must not depend on it.
    set.elements.sort_by(|a, b| (&a.key, a.end).cmp(&(&b.key, b.end)));
    Ok(())
}

fn element(attrs: Attrs<'_>) -> Result<Element, Malformed> {
    let key = attrs.nested(1, "set key")?.get(1).map(<[u8]>::to_vec);
    let end = attrs.be32(3).unwrap_or_default() & 1 != 0;
    // A concatenation of ranges has its last values here; its first ones alone would narrow too far.
    let key = key.filter(|_| attrs.get(10).is_none());
    let data = attrs.nested(2, "set data")?;
    let verdict = match data.get(2) {
        Some(code) => Some(verdict(Attrs::parse(code, "verdict")?)?),
        None => None,
    };
    Ok(Element { key, end, verdict })
}
