//! IPsec policies of the calling thread's network namespace.
//!
//! A packet that a policy transforms must not be bypassed, and whether it does is decided per packet by a look-up
//! that Flyover does not repeat: one policy is reason enough to stay out.

use crate::nl::{Attrs, Malformed, NlError, Request, Talk, ne32};

/// `XFRM_MSG_GETSPDINFO`.
const GET_INFO: u16 = 0x25;
/// `XFRMA_SPD_INFO`.
const INFO: u16 = 1;

/// How many policies there are; those bound to a socket count too. A kernel without IPsec has none.
pub fn policies() -> Result<u32, NlError> {
    const WHAT: &str = "IPsec policies";
    let mut talk = match Talk::open(libc::NETLINK_XFRM, WHAT) {
        Err(error) if error.is_absent() => return Ok(0),
        other => other?,
    };
    let mut count = 0;
    talk.ask(WHAT, &Request::get(GET_INFO, &[0; 4]), |message| {
        count = parse(message.body)?;
        Ok(())
    })?;
    Ok(count)
}

/// The sum of the six counts of `struct xfrmu_spdinfo`: in, out and forwarded, general and per socket.
pub fn parse(body: &[u8]) -> Result<u32, Malformed> {
    let bad = Malformed { what: "policy counts" };
    let attrs = Attrs::parse(body.get(4..).ok_or(bad)?, "policy counts")?;
    let info = attrs.get(INFO).filter(|i| i.len() >= 24).ok_or(bad)?;
    Ok(info.chunks_exact(4).take(6).filter_map(ne32).fold(0, u32::saturating_add))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_kernel_said_is_one_policy() {
        let seed = include_bytes!("../../../fuzz/seeds/netlink_answers/one-policy.bin");
        assert_eq!(parse(seed), Ok(1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_counts_or_an_error(bytes: Vec<u8>) {
            let _total = parse(&bytes);
        }

        #[test]
        fn any_counts_are_added_up(counts: [u32; 6], end in 0..33_usize) {
            let counts = counts.map(u32::to_ne_bytes).concat();
            let answer = [&[0; 4][..], &28_u16.to_ne_bytes(), &INFO.to_ne_bytes(), &counts].concat();
            let sum = counts.chunks_exact(4).filter_map(ne32).fold(0, u32::saturating_add);
            prop_assert_eq!(parse(&answer), Ok(sum));
            prop_assert!(end >= answer.len() || parse(&answer[..end]).is_err());
        }
    }
}

#[cfg(test)]
mod root {
    use flyover_host::cmd::Cmd;

    use super::*;
    use crate::testing::Room;

    #[test]
    fn a_policy_is_counted_in_its_own_namespace_only() {
        let room = Room::new("xfrm");
        assert_eq!(room.run(|| policies().unwrap()), 0);
        room.run(|| {
            let policy = ["xfrm", "policy", "add", "src", "10.0.0.0/8", "dst", "10.1.0.0/16", "dir", "out"];
            Cmd::new("ip").args(policy).run().unwrap();
        });
        assert_eq!(room.run(|| policies().unwrap()), 1);
        assert_eq!(Room::new("xfrm-b").run(|| policies().unwrap()), 0);
    }
}
