//! Reads `NFT_MSG_NEWCHAIN`: a chain without its rules.

use super::super::model::{Base, Family, Hook};
use crate::nl::{Attrs, Malformed, text};

/// A chain as announced, without its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChainHead {
    pub(crate) family: Family,
    pub(crate) table: String,
    pub(crate) name: String,
    pub(crate) base: Option<Base>,
}

/// Reads the body of an `NFT_MSG_NEWCHAIN`; none for a family that is not ours to judge.
pub(crate) fn parse_chain(body: &[u8]) -> Result<Option<ChainHead>, Malformed> {
    let bad = Malformed { what: "chain" };
    let (family, attrs) = split(body, "chain")?;
    let Some(family) = family else { return Ok(None) };
    let (table, name) = (attrs.text(1).ok_or(bad)?, attrs.text(3).ok_or(bad)?);
    let base = match attrs.get(4) {
        None => None,
        Some(hook) => Some(base(family, Attrs::parse(hook, "chain hook")?, attrs.text(7))?),
    };
    Ok(Some(ChainHead { family, table, name, base }))
}

fn base(family: Family, attrs: Attrs<'_>, kind: Option<String>) -> Result<Base, Malformed> {
    let bad = Malformed { what: "chain hook" };
    let hook = attrs.be32(1).and_then(|number| Hook::from_number(family, number)).ok_or(bad)?;
    let priority = attrs.be32(2).ok_or(bad)?.cast_signed();
    let many = attrs.nested(4, "chain devices")?;
    let mut devices: Vec<_> = attrs.text(3).into_iter().chain(many.iter().map(|a| text(a.value))).collect();
    devices.dedup();
    Ok(Base { hook, priority, nat: kind.as_deref() == Some("nat"), devices })
}

/// The family of `struct nfgenmsg`, and the attributes behind it.
pub(crate) fn split<'a>(
    body: &'a [u8],
    what: &'static str,
) -> Result<(Option<Family>, Attrs<'a>), Malformed> {
    let (head, rest) = body.split_first_chunk::<4>().ok_or(Malformed { what })?;
    Ok((Family::from_number(head[0]), Attrs::parse(rest, what)?))
}
