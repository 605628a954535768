//! Netlink attributes: length, type, payload, padded to four bytes.

use super::Malformed;

/// Length of an attribute's head.
const HEAD: usize = 4;
/// The flag bits of the type: nested, and network byte order.
const TYPE_MASK: u16 = 0x3fff;

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attr<'a> {
    /// Its type, without flag bits.
    pub(crate) kind: u16,
    /// Its payload.
    pub(crate) value: &'a [u8],
}

/// A row of attributes that was checked from end to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attrs<'a>(&'a [u8]);

impl<'a> Attrs<'a> {
    /// Checks that the bytes are attributes up to their end; `what` they belong to goes into the error.
    pub(crate) fn parse(bytes: &'a [u8], what: &'static str) -> Result<Self, Malformed> {
        let mut rest = bytes;
        while rest.len() >= HEAD {
            let (_, after) = split(rest).ok_or(Malformed { what })?;
            rest = after;
        }
        Ok(Self(bytes))
    }

    /// All of them in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Attr<'a>> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (attr, after) = split(rest)?;
            rest = after;
            Some(attr)
        })
    }

    /// The payload of the last attribute of that type, which is the one the kernel's own parser would keep.
    pub(crate) fn get(self, kind: u16) -> Option<&'a [u8]> {
        self.iter().filter(|a| a.kind == kind).last().map(|a| a.value)
    }

    /// The attributes within the attribute of that type; none if it is not there.
    pub(crate) fn nested(self, kind: u16, what: &'static str) -> Result<Self, Malformed> {
        Self::parse(self.get(kind).unwrap_or_default(), what)
    }

    /// The string of that type.
    pub(crate) fn text(self, kind: u16) -> Option<String> {
        self.get(kind).map(text)
    }

    /// The number of that type, in network byte order.
    pub(crate) fn be32(self, kind: u16) -> Option<u32> {
        self.get(kind).and_then(be32)
    }

    /// The number of that type, in host byte order.
    pub(crate) fn ne32(self, kind: u16) -> Option<u32> {
        self.get(kind).and_then(ne32)
    }
}

fn split(bytes: &[u8]) -> Option<(Attr<'_>, &[u8])> {
    let len = usize::from(ne16(bytes)?);
    let kind = ne16(bytes.get(2..)?)? & TYPE_MASK;
    let value = bytes.get(HEAD..len)?;
    // The last attribute of a message may come without its padding.
    let rest = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    Some((Attr { kind, value }, rest))
}

/// A string up to its closing zero, or to the end.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// The first two bytes, in host byte order.
pub(crate) fn ne16(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|b| u16::from_ne_bytes(*b))
}

/// The first four bytes, in host byte order.
pub(crate) fn ne32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

/// The first two bytes, in network byte order.
pub(crate) fn be16(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// The first four bytes, in network byte order.
pub(crate) fn be32(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|b| u32::from_be_bytes(*b))
}

/// The first eight bytes, in network byte order.
pub(crate) fn be64(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|b| u64::from_be_bytes(*b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_attributes_or_an_error(bytes: Vec<u8>) {
            if let Ok(attrs) = Attrs::parse(&bytes, "attributes") {
                prop_assert!(attrs.iter().map(|a| a.value.len() + HEAD).sum::<usize>() <= bytes.len());
            }
        }
    }

    #[test]
    fn an_attribute_longer_than_the_message_is_refused() {
        assert_eq!(Attrs::parse(&[9, 0, 1, 0, 7], "test").err(), Some(Malformed { what: "test" }));
    }

    #[test]
    fn a_length_shorter_than_its_own_head_is_refused() {
        assert!(Attrs::parse(&[3, 0, 1, 0], "test").is_err());
        assert!(Attrs::parse(&[0, 0, 0, 0], "test").is_err());
    }
}
