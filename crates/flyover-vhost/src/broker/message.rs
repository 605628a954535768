//! Messages of vhost-user, read and held against what each must be like.
//!
//! Invariant: a [`Message`] that came from a pod is well formed: its rings, sizes, regions and files are what they may be.

use super::request::REGION;
pub use super::request::{BadMessage, MOST_FILES, Request};

/// The protocol has 256; each may keep three files open here, and a process has some thousand.
const MOST_RINGS: u32 = 128;
/// The request, its flags, and how long the payload is.
pub const HEADER: usize = 12;

const VERSION: u32 = 1;
const REPLY: u32 = 1 << 2;
const NEED_REPLY: u32 = 1 << 3;
/// In an event's number: there is none.
const NO_FILE: u64 = 1 << 8;

/// One message, with the files that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<F> {
    /// What it asks, or answers.
    pub request: Request,
    pub(super) flags: u32,
    /// What it says.
    pub payload: Vec<u8>,
    /// What came with it.
    pub files: Vec<F>,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the switch.
    Request,
    /// From the switch.
    Reply,
}

/// A region of shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// How long it is.
    pub size: u64,
    /// Where the front end sees it.
    pub user: u64,
    /// Where it begins in its file.
    pub offset: u64,
}

/// The header of a message that has begun to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    request: Request,
    flags: u32,
    length: usize,
}

impl Header {
    /// Reads a header and holds it against the list, before any more is read.
    pub fn read(bytes: [u8; HEADER], way: Way) -> Result<Self, BadMessage> {
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (number, flags, length) = (word(0), word(4), word(8));
        let request = Request::of(number).ok_or(BadMessage::Request(number))?;
        let (right, payload) = match way {
            Way::Request => (flags & !NEED_REPLY == VERSION, request.payload()),
            // A reply is one number, or a ring and a number.
            Way::Reply => (flags & !NEED_REPLY == VERSION | REPLY, 8..=8),
        };
        if !right {
            return Err(BadMessage::Flags(flags));
        }
        let fits = usize::try_from(length).ok().filter(|length| payload.contains(length));
        let length = fits.ok_or(BadMessage::Length { request, length })?;
        Ok(Self { request, flags, length })
    }

    /// How long the payload is.
    #[must_use]
    pub fn length(self) -> usize {
        self.length
    }

    /// The whole message, held against what such a message must be like.
    pub fn with<F>(self, payload: Vec<u8>, files: Vec<F>, way: Way) -> Result<Message<F>, BadMessage> {
        let Self { request, flags, .. } = self;
        let allowed = if way == Way::Request { request.files() } else { 0..=0 };
        if !allowed.contains(&files.len()) {
            return Err(BadMessage::Files { request, count: files.len() });
        }
        let message = Message { request, flags, payload, files };
        if way == Way::Request {
            message.check()?;
        }
        Ok(message)
    }
}

impl<F> Message<F> {
    /// A request that wants no acknowledgement.
    #[must_use]
    pub fn request(request: Request, payload: Vec<u8>, files: Vec<F>) -> Self {
        Self { request, flags: VERSION, payload, files }
    }

    /// As bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("payloads are short");
        let words = [self.request as u32, self.flags, length];
        words.iter().flat_map(|word| word.to_ne_bytes()).chain(self.payload.iter().copied()).collect()
    }

    /// Whether the front end waits for an answer.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.request.answers() || self.flags & NEED_REPLY != 0
    }

    /// The one number it says.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.long(0)
    }

    /// The ring it is about, and the number it says of it.
    #[must_use]
    pub fn ring(&self) -> (u32, u32) {
        match self.request {
            Request::SetKick | Request::SetCall | Request::SetError => (self.word(0) & 0xff, 0),
            _ => (self.word(0), self.word(4)),
        }
    }

    /// Where the used ring is, of [`Request::SetRing`].
    #[must_use]
    pub fn used_ring(&self) -> u64 {
        self.long(16)
    }

    /// The regions of [`Request::SetMemory`], one for each file.
    #[must_use]
    pub fn regions(&self) -> Vec<Region> {
        let starts = (8..).step_by(REGION).take_while(|at| at + REGION <= self.payload.len());
        let region =
            |at| Region { size: self.long(at + 8), user: self.long(at + 16), offset: self.long(at + 24) };
        starts.map(region).collect()
    }

    fn word(&self, at: usize) -> u32 {
        self.payload.get(at..at + 4).map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn long(&self, at: usize) -> u64 {
        let bytes = self.payload.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_ne_bytes)
    }

    fn check(&self) -> Result<(), BadMessage> {
        let wrong = |what| Err(BadMessage::Value { request: self.request, what });
        match self.request {
            Request::SetMemory => self.check_memory(),
            Request::SetKick | Request::SetCall | Request::SetError => {
                let number = self.number();
                if number & !NO_FILE >= u64::from(MOST_RINGS) {
                    return wrong("ring");
                }
                if (number & NO_FILE == 0) != (self.files.len() == 1) {
                    return Err(BadMessage::Files { request: self.request, count: self.files.len() });
                }
                Ok(())
            }
            Request::SetSize
            | Request::SetRing
            | Request::SetBase
            | Request::GetBase
            | Request::SetEnabled
                if self.word(0) >= MOST_RINGS =>
            {
                wrong("ring")
            }
            Request::SetSize if !self.word(4).is_power_of_two() || self.word(4) > 1 << 15 => wrong("size"),
            Request::SetBase if self.word(4) > u32::from(u16::MAX) => wrong("begin"),
            // The only flag asks for a log.
            Request::SetRing if self.word(4) != 0 => wrong("flags"),
            _ => Ok(()),
        }
    }

    fn check_memory(&self) -> Result<(), BadMessage> {
        let request = self.request;
        let count = self.word(0) as usize;
        let regions = self.regions();
        if count != regions.len() || self.payload.len() != 8 + REGION * count {
            return Err(BadMessage::Value { request, what: "number of regions" });
        }
        if count != self.files.len() {
            return Err(BadMessage::Files { request, count: self.files.len() });
        }
        for (at, region) in regions.iter().enumerate() {
            let guest = self.long(8 + REGION * at);
            let fits = |begin: u64| begin.checked_add(region.size).is_some();
            if region.size == 0 || ![guest, region.user, region.offset].into_iter().all(fits) {
                return Err(BadMessage::Value { request, what: "region" });
            }
        }
        Ok(())
    }
}
