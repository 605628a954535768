//! Numbers of network namespaces, as the calling thread's namespace knows them.
//!
//! A [`Watch`](crate::watch::Watch) hears of other namespaces by these numbers, and hears only of those that have one.

use std::os::fd::{AsFd, AsRawFd};

use crate::nl::{Attrs, Malformed, NlError, Request, Talk};

/// `RTM_NEWNSID`, `RTM_GETNSID`.
const NEW: u16 = 88;
const GET: u16 = 90;
/// `NETNSA_NSID`, `NETNSA_FD`.
const NSID: u16 = 1;
const FD: u16 = 3;
/// `NETNSA_NSID_NOT_ASSIGNED`, and as a request: any that is free.
const NONE: i32 = -1;

const WHAT: &str = "a namespace's number";

/// The number of that namespace, if it has one.
pub fn of(netns: &impl AsFd) -> Result<Option<i32>, NlError> {
    let mut talk = Talk::open(libc::NETLINK_ROUTE, WHAT)?;
    let request = Request::get(GET, &[0; 4]).attr(FD, &netns.as_fd().as_raw_fd().to_ne_bytes());
    let mut nsid = NONE;
    talk.ask(WHAT, &request, |message| {
        let bad = Malformed { what: WHAT };
        let attrs = Attrs::parse(message.body.get(4..).ok_or(bad)?, WHAT)?;
        nsid = attrs.ne32(NSID).ok_or(bad)?.cast_signed();
        Ok(())
    })?;
    Ok((nsid != NONE).then_some(nsid))
}

/// The number of that namespace; it is given a free one if it has none. Nothing but its end takes it away again. The
/// kernel does the same whenever it lists a veth whose peer is there.
pub fn ensure(netns: &impl AsFd) -> Result<Option<i32>, NlError> {
    if let Some(nsid) = of(netns)? {
        return Ok(Some(nsid));
    }
    let mut talk = Talk::open(libc::NETLINK_ROUTE, WHAT)?;
    let request = Request::get(NEW, &[0; 4]).attr(NSID, &NONE.to_ne_bytes());
    talk.ask(WHAT, &request.attr(FD, &netns.as_fd().as_raw_fd().to_ne_bytes()), |_| Ok(()))?;
    of(netns)
}

#[cfg(test)]
mod root {
    use super::*;
    use crate::testing::Room;

    #[test]
    fn a_namespace_gets_a_number_once() {
        let (node, pod) = (Room::new("nsid-node"), Room::new("nsid-pod"));
        node.run(|| {
            assert_eq!(of(pod.netns()).unwrap(), None);
            let given = ensure(pod.netns()).unwrap();
            assert!(given.is_some());
            assert_eq!((of(pod.netns()).unwrap(), ensure(pod.netns()).unwrap()), (given, given));
        });
    }
}
