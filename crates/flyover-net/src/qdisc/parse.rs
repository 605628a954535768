//! `struct tcmsg` and its attributes.

use super::{Filter, Place, Program, Qdisc};
use crate::nl::{Attrs, Malformed, ne32};

/// `TC_H_ROOT`, and the parents of what `ingress` and `clsact` hold.
const ROOT: u32 = u32::MAX;
pub(super) const INGRESS_QDISC: u32 = 0xffff_0000;
pub(super) const INGRESS: u32 = 0xffff_fff2;
pub(super) const EGRESS: u32 = 0xffff_fff3;
/// `TC_H_INGRESS`, also `TC_H_CLSACT`: the parent of those two qdiscs themselves.
const HOLDER: u32 = 0xffff_fff1;

/// `TCA_KIND`, `TCA_OPTIONS`.
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
/// `TCA_ACT_KIND`.
const ACTION_KIND: u16 = 1;

/// Reads the body of an `RTM_NEWQDISC`.
pub fn parse_qdisc(body: &[u8]) -> Result<Qdisc, Malformed> {
    let (head, attrs) = split(body, "qdisc")?;
    let place = match head.parent {
        ROOT | 0 => Place::Root,
        HOLDER => Place::Ingress,
        _ => Place::Class,
    };
    let kind = attrs.text(KIND).ok_or(Malformed { what: "qdisc" })?;
    Ok(Qdisc { ifindex: head.ifindex, kind, place, handle: head.handle })
}

/// Reads the body of an `RTM_NEWTFILTER`. A classifier is announced before its filters, without a handle; that is none.
pub fn parse_filter(body: &[u8]) -> Result<Option<Filter>, Malformed> {
    let (head, attrs) = split(body, "filter")?;
    let Some(options) = attrs.get(OPTIONS).filter(|_| head.handle != 0) else { return Ok(None) };
    let options = Attrs::parse(options, "filter options")?;
    let classifier = attrs.text(KIND).ok_or(Malformed { what: "filter" })?;
    // A bucket of u32 has a handle too, but nothing to do: TCA_U32_DIVISOR is all there is.
    if classifier == "u32" && options.get(4).is_some() && options.get(7).is_none() && options.get(5).is_none()
    {
        return Ok(None);
    }
    let place = if head.parent == EGRESS { Place::Egress } else { Place::Ingress };
    // TCA_BPF_NAME, TCA_BPF_ID.
    let program = (classifier == "bpf")
        .then(|| Program { id: options.ne32(11), name: options.text(7).unwrap_or_default() });
    let actions = actions(&classifier, options)?;
    Ok(Some(Filter { ifindex: head.ifindex, classifier, place, actions, program }))
}

struct Head {
    ifindex: u32,
    handle: u32,
    parent: u32,
}

fn split<'a>(body: &'a [u8], what: &'static str) -> Result<(Head, Attrs<'a>), Malformed> {
    let (head, rest) = body.split_first_chunk::<20>().ok_or(Malformed { what })?;
    let word = |at| head.get(at..).and_then(ne32).unwrap_or_default();
    Ok((Head { ifindex: word(4), handle: word(8), parent: word(12) }, Attrs::parse(rest, what)?))
}

/// The kinds of the actions, wherever that classifier keeps them.
fn actions(classifier: &str, options: Attrs<'_>) -> Result<Vec<String>, Malformed> {
    // TCA_*_ACT, TCA_*_POLICE.
    let (act, police): (u16, Option<u16>) = match classifier {
        "u32" => (7, Some(6)),
        "bpf" => (1, Some(2)),
        "flower" => (3, None),
        "matchall" => (2, None),
        "basic" => (3, Some(4)),
        "fw" => (4, Some(2)),
        "route" => (6, Some(5)),
        "flow" => (9, Some(10)),
        "cgroup" => (1, Some(2)),
        _ => return Ok(Vec::new()),
    };
    let mut kinds = Vec::new();
    for action in options.nested(act, "filter actions")?.iter() {
        kinds.extend(Attrs::parse(action.value, "filter action")?.text(ACTION_KIND));
    }
    if police.is_some_and(|kind| options.get(kind).is_some_and(|p| !p.is_empty())) {
        kinds.push("police".to_owned());
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_qdisc_a_filter_or_an_error(bytes: Vec<u8>) {
            let _qdisc = parse_qdisc(&bytes);
            let _filter = parse_filter(&bytes);
        }
    }
}
