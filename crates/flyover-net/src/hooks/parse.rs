//! Reads `NFNL_MSG_HOOK_GET`: what is registered at a netfilter hook.

use super::{Owner, Registered};
use crate::nl::{Attrs, Malformed};
use crate::ruleset::{Family, Hook};

/// Reads the body of an answer; none for a hook or family that is not known here.
pub fn parse(body: &[u8]) -> Result<Option<Registered>, Malformed> {
    const WHAT: &str = "netfilter hook";
    let bad = Malformed { what: WHAT };
    let (head, rest) = body.split_first_chunk::<4>().ok_or(bad)?;
    let attrs = Attrs::parse(rest, WHAT)?;
    let Some(family) = Family::from_number(head[0]) else { return Ok(None) };
    let number = attrs.be32(1).ok_or(bad)?;
    let Some(hook) = Hook::from_number(family, number) else { return Ok(None) };
    let priority = attrs.be32(2).ok_or(bad)?.cast_signed();
    // NFNLA_HOOK_CHAIN_INFO holds NFNLA_HOOK_INFO_DESC: table, family and name of the chain.
    let chain = attrs.nested(6, WHAT)?.nested(1, WHAT)?;
    let owner = match (chain.text(1), chain.text(3)) {
        (Some(table), Some(chain)) => Owner::Chain { table, chain },
        _ => Owner::Function { name: attrs.text(4).unwrap_or_default(), module: attrs.text(5) },
    };
    Ok(Some(Registered { family, hook, priority, owner }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_hook_or_an_error(bytes: Vec<u8>) {
            let _hook = parse(&bytes);
        }
    }

    #[test]
    fn conntrack_s_function_is_read_with_its_module() {
        let body = [
            &[2, 0, 0, 0][..],
            &[8, 0, 1, 0, 0, 0, 0, 0],
            &[8, 0, 2, 0, 0xff, 0xff, 0xff, 0x38],
            &[22, 0, 4, 0],
            b"ipv4_conntrack_in\0\0\0",
            &[17, 0, 5, 0],
            b"nf_conntrack\0\0\0\0",
        ];
        let name = "ipv4_conntrack_in".to_owned();
        let owner = Owner::Function { name, module: Some("nf_conntrack".to_owned()) };
        let hook = Registered { family: Family::Ip, hook: Hook::Prerouting, priority: -200, owner };
        assert_eq!(parse(&body.concat()).unwrap(), Some(hook));
    }
}
