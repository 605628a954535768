//! Netlink messages: sixteen bytes of head, then the body.

use super::Malformed;
use super::attr::{ne16, ne32};

/// Length of a message's head.
const HEAD: usize = 16;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// Its type.
    pub(crate) kind: u16,
    /// Its `NLM_F_*` flags.
    pub(crate) flags: u16,
    /// The number of the request it answers.
    pub(crate) sequence: u32,
    /// What follows the head.
    pub(crate) body: &'a [u8],
}

/// The messages of one datagram. The first malformed one is the last.
pub(crate) fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<Message<'_>, Malformed>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((message, after)) = split(rest) else {
            rest = &[];
            return Some(Err(Malformed { what: "netlink message" }));
        };
        rest = after;
        Some(Ok(message))
    })
}

fn split(bytes: &[u8]) -> Option<(Message<'_>, &[u8])> {
    let len = usize::try_from(ne32(bytes)?).ok()?;
    let body = bytes.get(HEAD..len)?;
    let kind = ne16(bytes.get(4..)?)?;
    let flags = ne16(bytes.get(6..)?)?;
    let sequence = ne32(bytes.get(8..)?)?;
    let rest = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    Some((Message { kind, flags, sequence, body }, rest))
}

/// A message to the kernel, built from its fixed head and attributes.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Request {
    /// A request for one answer.
    pub(crate) fn get(kind: u16, fixed: &[u8]) -> Self {
        Self { kind, flags: flag(libc::NLM_F_REQUEST | libc::NLM_F_ACK), body: fixed.to_vec() }
    }

    /// A request for a list.
    pub(crate) fn dump(kind: u16, fixed: &[u8]) -> Self {
        Self { kind, flags: flag(libc::NLM_F_REQUEST | libc::NLM_F_DUMP), body: fixed.to_vec() }
    }

    /// Adds an attribute.
    pub(crate) fn attr(mut self, kind: u16, value: &[u8]) -> Self {
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        let len = u16::try_from(value.len() + 4).expect("requests carry names and numbers only");
        self.body.extend(len.to_ne_bytes());
        self.body.extend(kind.to_ne_bytes());
        self.body.extend(value);
        self
    }

    /// The bytes to send, under that number.
    pub(crate) fn bytes(&self, sequence: u32) -> Vec<u8> {
        let len = u32::try_from(HEAD + self.body.len()).expect("requests are small");
        let mut bytes = Vec::with_capacity(HEAD + self.body.len());
        bytes.extend(len.to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(self.flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

fn flag(flags: libc::c_int) -> u16 {
    u16::try_from(flags).expect("the kernel's flags have sixteen bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_messages_or_an_error(bytes: Vec<u8>) {
            let total: usize = messages(&bytes).map_while(Result::ok).map(|m| m.body.len() + HEAD).sum();
            prop_assert!(total <= bytes.len());
        }

        #[test]
        fn a_request_reads_back_as_it_was_written(kind in 16_u16.., sequence: u32, value in prop::collection::vec(any::<u8>(), 0..40)) {
            let bytes = Request::dump(kind, &[1, 2, 3, 4]).attr(7, &value).bytes(sequence);
            let read: Vec<_> = messages(&bytes).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!((read[0].kind, read[0].sequence), (kind, sequence));
            let attrs = super::super::Attrs::parse(&read[0].body[4..], "test").unwrap();
            prop_assert_eq!(attrs.get(7), Some(value.as_slice()));
        }
    }
}
