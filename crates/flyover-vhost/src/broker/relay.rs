//! What the broker does when a side speaks, comes or goes, without doing it.
//!
//! Invariants: a front end is only heard while a switch is there to answer; a switch that comes back is told all that was set
//! up before it hears anything else; each answer goes to the question it belongs to.

use std::collections::VecDeque;

use super::memo::{Memo, Reader};
use super::message::{BadMessage, Message, Request};

/// Dirty memory logs, IOMMU and packed rings: none survives a switch that dies.
const HIDDEN: u64 = (1 << 26) | (1 << 33) | (1 << 34);
/// More queues, announcements, acknowledgements, an MTU, and the driver's status. Others need messages that do not pass.
const PROTOCOL: u64 = 1 | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 16);
/// The feature that there are protocol features.
const HAS_PROTOCOL: u64 = 1 << 30;
/// How many questions may wait for an answer: a front end that asks more is not one.
const MOST_PENDING: usize = 8;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act<F> {
    /// The switch is told this.
    ToBack(Message<F>),
    /// The front end is told this.
    ToFront(Message<F>),
    /// The front end is woken by this event: a switch that died may have used buffers and not told.
    Wake(F),
}

/// What the switch is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Back {
    /// It is not there.
    Absent,
    /// It was asked for its features, before it is told the old set-up.
    Features,
    /// It was asked for the protocol's features, likewise.
    Protocol,
    /// It answers the front end.
    Live,
}

/// Both sides, and what they know of each other.
#[derive(Debug)]
pub struct Relay<F> {
    memo: Memo<F>,
    back: Back,
    /// Requests that are not answered yet.
    pending: VecDeque<Message<F>>,
}

impl<F: Clone> Default for Relay<F> {
    fn default() -> Self {
        Self { memo: Memo::default(), back: Back::Absent, pending: VecDeque::new() }
    }
}

impl<F: Clone> Relay<F> {
    /// Whether the front end may be heard.
    #[must_use]
    pub fn hears_front(&self) -> bool {
        self.back == Back::Live
    }

    /// A switch came.
    pub fn back_came(&mut self) -> Vec<Act<F>> {
        if self.memo.is_empty() {
            self.back = Back::Live;
            // The front end asked before anything was set up.
            return self.pending.iter().cloned().map(Act::ToBack).collect();
        }
        self.back = Back::Features;
        vec![ask(Request::GetFeatures)]
    }

    /// The switch went.
    pub fn back_went(&mut self) {
        self.back = Back::Absent;
    }

    /// The front end went, and with it all it set up. The switch is to be let go too, so that it waits anew.
    pub fn front_went(&mut self) {
        *self = Self::default();
    }

    /// The front end says this.
    pub fn front(&mut self, message: Message<F>) -> Result<Vec<Act<F>>, BadMessage> {
        let foreign = match message.request {
            Request::SetFeatures => message.number() & HIDDEN,
            Request::SetProtocol => message.number() & !PROTOCOL,
            _ => 0,
        };
        if foreign != 0 {
            return Err(BadMessage::Features(foreign));
        }
        self.memo.note(&message);
        if message.is_answered() {
            if self.pending.len() == MOST_PENDING {
                return Err(BadMessage::Unasked(message.request));
            }
            self.pending.push_back(message.clone());
        }
        Ok(vec![Act::ToBack(message)])
    }

    /// The switch says this.
    pub fn back(&mut self, message: Message<F>, reader: Reader<'_, F>) -> Result<Vec<Act<F>>, BadMessage> {
        match (self.back, message.request) {
            (Back::Live, _) => self.answer(message).map(|answer| vec![Act::ToFront(answer)]),
            (Back::Features, Request::GetFeatures) => {
                holds(self.memo.features().unwrap_or(0), message.number())?;
                if message.number() & HAS_PROTOCOL != 0 && self.memo.protocol().is_some() {
                    self.back = Back::Protocol;
                    return Ok(vec![ask(Request::GetProtocol)]);
                }
                holds(self.memo.protocol().unwrap_or(0), 0)?;
                Ok(self.resume(reader))
            }
            (Back::Protocol, Request::GetProtocol) => {
                holds(self.memo.protocol().unwrap_or(0), message.number())?;
                Ok(self.resume(reader))
            }
            (_, request) => Err(BadMessage::Unasked(request)),
        }
    }

    /// Tells a new switch the old set-up, and asks again what the old one had not answered: to set twice is to set once.
    fn resume(&mut self, reader: Reader<'_, F>) -> Vec<Act<F>> {
        self.back = Back::Live;
        let mut acts: Vec<Act<F>> = self.memo.replay(reader).into_iter().map(Act::ToBack).collect();
        acts.extend(self.pending.iter().cloned().map(Act::ToBack));
        acts.extend(self.memo.calls().map(Act::Wake));
        acts
    }

    fn answer(&mut self, mut answer: Message<F>) -> Result<Message<F>, BadMessage> {
        let unasked = BadMessage::Unasked(answer.request);
        // A switch that knows no acknowledgements leaves them out.
        while self.pending.front().is_some_and(|asked| asked.request != answer.request) {
            let skipped = self.pending.pop_front();
            if skipped.is_some_and(|skipped| skipped.request.answers()) {
                return Err(unasked);
            }
        }
        let asked = self.pending.pop_front().ok_or(unasked)?;
        match answer.request {
            Request::GetFeatures => answer.payload = (answer.number() & !HIDDEN).to_ne_bytes().to_vec(),
            Request::GetProtocol => answer.payload = (answer.number() & PROTOCOL).to_ne_bytes().to_vec(),
            Request::GetBase => self.memo.stopped(asked.ring().0, answer.ring().1),
            _ => {}
        }
        Ok(answer)
    }
}

fn ask<F>(request: Request) -> Act<F> {
    Act::ToBack(Message::request(request, Vec::new(), Vec::new()))
}

/// Whether what is in use is offered.
fn holds(used: u64, offered: u64) -> Result<(), BadMessage> {
    match used & !offered {
        0 => Ok(()),
        lost => Err(BadMessage::Lost(lost)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::{HEADER, Header, Way};
    use super::*;

    const VERSION_1: u64 = 1 << 32;

    fn number(request: Request, number: u64) -> Message<u32> {
        Message::request(request, number.to_ne_bytes().to_vec(), Vec::new())
    }

    fn words(request: Request, words: &[u32]) -> Message<u32> {
        Message::request(request, words.iter().flat_map(|w| w.to_ne_bytes()).collect(), Vec::new())
    }

    fn event(request: Request, ring: u64, file: u32) -> Message<u32> {
        Message { files: vec![file], ..number(request, ring) }
    }

    fn reply(request: Request, number: u64) -> Message<u32> {
        Message { request, flags: 5, payload: number.to_ne_bytes().to_vec(), files: Vec::new() }
    }

    fn memory(user: u64, size: u64, offset: u64, file: u32) -> Message<u32> {
        let longs = [1, 0, size, user, offset];
        let payload = longs.iter().flat_map(|long: &u64| long.to_ne_bytes()).collect();
        Message::request(Request::SetMemory, payload, vec![file])
    }

    fn ring(index: u32, used: u64) -> Message<u32> {
        let mut payload: Vec<u8> = [index, 0].iter().flat_map(|w| w.to_ne_bytes()).collect();
        payload.extend([0x1000_u64, used, 0x2000, 0].iter().flat_map(|l| l.to_ne_bytes()));
        Message::request(Request::SetRing, payload, Vec::new())
    }

    /// A front end as DPDK has it, up to a running ring.
    fn set_up() -> Vec<Message<u32>> {
        vec![
            number(Request::SetProtocol, 1 << 3),
            Message::request(Request::SetOwner, Vec::new(), Vec::new()),
            number(Request::SetFeatures, VERSION_1 | HAS_PROTOCOL),
            memory(0x1000, 0x8000, 0x400, 7),
            words(Request::SetSize, &[0, 256]),
            words(Request::SetBase, &[0, 0]),
            ring(0, 0x3000),
            event(Request::SetCall, 0, 8),
            event(Request::SetKick, 0, 9),
            words(Request::SetEnabled, &[0, 1]),
        ]
    }

    fn running() -> Relay<u32> {
        let mut relay = Relay::default();
        assert_eq!(relay.back_came(), []);
        for message in set_up() {
            assert_eq!(relay.front(message.clone()).unwrap(), [Act::ToBack(message)]);
        }
        relay
    }

    /// The used index of the ring above is 513, and can be read nowhere else.
    fn reader(file: &u32, offset: u64) -> Option<u16> {
        ((*file, offset) == (7, 0x400 + 0x2000 + 2)).then_some(513)
    }

    fn unread(_: &u32, _: u64) -> Option<u16> {
        None
    }

    #[test]
    fn a_switch_that_comes_back_is_told_all_and_goes_on_where_the_old_one_was() {
        let mut relay = running();
        relay.back_went();
        assert!(!relay.hears_front());
        assert_eq!(relay.back_came(), [ask(Request::GetFeatures)]);
        let asks = relay.back(reply(Request::GetFeatures, VERSION_1 | HAS_PROTOCOL | 1), &reader).unwrap();
        assert_eq!(asks, [ask(Request::GetProtocol)]);
        assert!(!relay.hears_front());
        let mut expected = set_up();
        expected[5] = words(Request::SetBase, &[0, 513]);
        let mut expected: Vec<_> = expected.into_iter().map(Act::ToBack).collect();
        expected.push(Act::Wake(8));
        assert_eq!(relay.back(reply(Request::GetProtocol, 0xff), &reader).unwrap(), expected);
        assert!(relay.hears_front());
    }

    #[test]
    fn a_switch_that_lost_a_feature_in_use_is_refused() {
        let mut relay = running();
        relay.back_went();
        relay.back_came();
        let told = relay.back(reply(Request::GetFeatures, VERSION_1), &reader);
        assert_eq!(told, Err(BadMessage::Lost(HAS_PROTOCOL)));
    }

    #[test]
    fn features_that_would_not_survive_are_neither_offered_nor_taken() {
        let mut relay: Relay<u32> = Relay::default();
        relay.back_came();
        relay.front(Message::request(Request::GetFeatures, Vec::new(), Vec::new())).unwrap();
        let told = relay.back(reply(Request::GetFeatures, u64::MAX), &unread).unwrap();
        assert_eq!(told, [Act::ToFront(reply(Request::GetFeatures, !HIDDEN))]);
        assert_eq!(relay.front(number(Request::SetFeatures, 1 << 34)), Err(BadMessage::Features(1 << 34)));
        assert_eq!(relay.front(number(Request::SetProtocol, 1 << 12)), Err(BadMessage::Features(1 << 12)));
    }

    #[test]
    fn a_question_the_old_switch_took_along_is_asked_again() {
        let mut relay = running();
        let question = words(Request::GetBase, &[0, 0]);
        relay.front(question.clone()).unwrap();
        relay.back_went();
        relay.back_came();
        relay.back(reply(Request::GetFeatures, u64::MAX), &unread).unwrap();
        let acts = relay.back(reply(Request::GetProtocol, u64::MAX), &unread).unwrap();
        assert_eq!(acts[acts.len() - 2..], [Act::ToBack(question), Act::Wake(8)]);
        let base = Message { flags: 5, ..words(Request::GetBase, &[0, 77]) };
        assert_eq!(relay.back(base.clone(), &unread).unwrap(), [Act::ToFront(base)]);
        // The ring stands still now: it keeps its place, and no event of it is told again.
        let told = relay.memo.replay(&reader);
        assert!(told.contains(&words(Request::SetBase, &[0, 77])));
        assert!(!told.iter().any(|m| matches!(m.request, Request::SetKick | Request::SetCall)));
    }

    #[test]
    fn an_answer_that_nobody_asked_for_is_refused() {
        let mut relay = running();
        let told = relay.back(reply(Request::GetQueues, 1), &unread);
        assert_eq!(told, Err(BadMessage::Unasked(Request::GetQueues)));
    }

    #[test]
    fn nothing_of_a_pod_is_told_after_it_went() {
        let mut relay = running();
        relay.front_went();
        assert!(!relay.hears_front());
        assert_eq!(relay.back_came(), []);
        assert!(relay.hears_front());
    }

    proptest::proptest! {
        #[test]
        fn a_message_that_passes_is_passed_on_byte_for_byte(
            request in 0_u32..45, flags in 0_u32..16, payload in proptest::collection::vec(0_u8..4, 0..280), files in 0_usize..10
        ) {
            let length = u32::try_from(payload.len()).unwrap();
            let header: Vec<u8> = [request, flags, length].iter().flat_map(|w| w.to_ne_bytes()).collect();
            let header: [u8; HEADER] = header.try_into().unwrap();
            if let Ok(read) = Header::read(header, Way::Request)
                && let Ok(message) = read.with(payload.clone(), (0..files).collect(), Way::Request)
            {
                proptest::prop_assert_eq!(message.bytes(), [header.as_slice(), &payload].concat());
                proptest::prop_assert_eq!(message.files.len(), files);
            }
        }

        #[test]
        fn whatever_is_said_in_whatever_order_the_relay_stands(
            said in proptest::collection::vec((0_usize..24, 0_u64..5, proptest::prelude::any::<u64>()), 0..60)
        ) {
            let mut relay: Relay<u32> = Relay::default();
            for (at, kind, value) in said {
                let request = Request::ALL[at % Request::ALL.len()];
                // Some of it is refused, which is as good as any answer.
                let _judged = match kind {
                    0 => Ok(relay.back_came()),
                    1 => { relay.back_went(); Ok(Vec::new()) }
                    2 => { relay.front_went(); Ok(Vec::new()) }
                    3 => relay.front(number(request, value)),
                    _ => relay.back(reply(request, value), &unread),
                };
            }
        }
    }
}
