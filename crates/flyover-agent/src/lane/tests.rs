//! What follows from what, and that a machine does it: with a lane that is a list of what it will say.

use std::cell::RefCell;
use std::collections::VecDeque;

use flyover_api::resource::{Assignment, Lane, LanePhase, LaneStatus, PlanSummary, Wanted};
use flyover_core::Disturbance::{self, Link, None as Nothing, Reboot, Service, Workloads};
use flyover_host::journal::Cause;

use super::{Desk, Done, Event, Look, Machine, Memory, Next, Removed, Runner, Sight, decide};

fn wanted(hash: &str) -> Wanted {
    let spec = serde_json::Map::new();
    Wanted { from: "p".to_owned(), generation: 1, hash: hash.to_owned(), spec }
}

fn asked(hash: Option<&str>, allow: Disturbance) -> Assignment {
    Assignment { wanted: hash.map(wanted), previous: None, allow }
}

fn said(hash: Option<&str>, phase: LanePhase) -> LaneStatus {
    LaneStatus {
        hash: hash.map(str::to_owned),
        phase,
        needs: Nothing,
        reason: "R".to_owned(),
        message: "m".to_owned(),
        plan: None,
        journal: Vec::new(),
        drift: Vec::new(),
        receipt: Vec::new(),
    }
}

fn as_asked() -> Look {
    Look::Seen(Sight::default())
}

fn to_do(needs: Disturbance) -> Look {
    let plan = PlanSummary { hash: "x".to_owned(), steps: vec!["s".to_owned()], count: 1, reboot: None };
    Look::Seen(Sight { plan: Some(plan), needs, drift: vec!["d".to_owned()], notes: Vec::new() })
}

fn stuck() -> Look {
    Look::Seen(Sight { drift: vec!["d".to_owned()], ..Sight::default() })
}

fn refused(impossible: bool) -> Look {
    Look::Refused { why: "w".to_owned(), impossible }
}

/// A decision as a word or two.
fn word(next: &Next) -> String {
    match next {
        Next::Rest(verdict) => format!("{:?} {}", verdict.phase, verdict.reason),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_wish_is_made_so_refused_or_waits_by_what_is_found_and_allowed() {
    let (ready, other) = (said(Some("a"), LanePhase::Ready), said(Some("b"), LanePhase::Ready));
    let applying = said(Some("a"), LanePhase::Applying);
    let none = Memory::default();
    let was = |status| Memory { was: Some(status), ..none };
    let healed = |healed| Memory { was: Some(&ready), healed, below: None };
    let below = Memory { below: Some(Lane::Profile), ..none };
    for (allow, look, memory, expected) in [
        (Link, as_asked(), none, "Ready AsAsked"),
        (Link, to_do(Link), none, "Apply"),
        (Link, to_do(Workloads), none, "Waiting NeedsMore"),
        (Reboot, to_do(Reboot), none, "Apply"),
        (Link, to_do(Nothing), was(&other), "Apply"),
        (Link, to_do(Nothing), was(&applying), "Apply"),
        (Link, stuck(), none, "Failed NotAsAsked"),
        (Link, refused(true), none, "Refused Impossible"),
        (Link, refused(true), below, "Waiting WaitsForLane"),
        (Link, refused(false), below, "Refused Invalid"),
        (Link, Look::Blind("e".to_owned()), none, "Failed CannotLook"),
        // It stood, and somebody changed it.
        (Link, as_asked(), was(&ready), "Ready AsAsked"),
        (Service, to_do(Service), was(&ready), "Heal"),
        (Nothing, to_do(Service), was(&ready), "Drifted NeedsMore"),
        (Reboot, to_do(Link), was(&ready), "Drifted NeedsMore"),
        (Link, to_do(Service), healed(1), "Heal"),
        (Link, to_do(Service), healed(2), "Drifted Contested"),
        (Link, stuck(), was(&ready), "Drifted NotHealed"),
        (Link, refused(true), was(&ready), "Drifted NoLongerPossible"),
        (Link, Look::Blind("e".to_owned()), was(&ready), "Drifted CannotLook"),
    ] {
        let next = decide(&asked(Some("a"), allow), &look, memory);
        assert_eq!(word(&next), expected, "{allow:?} {look:?} {memory:?}");
    }
}

#[test]
fn taking_back_waits_for_its_turn_and_for_leave() {
    let above = Memory { below: Some(Lane::Switch), ..Memory::default() };
    for (allow, look, memory, expected) in [
        (Link, as_asked(), Memory::default(), "Remove"),
        (Link, to_do(Service), Memory::default(), "Remove"),
        (Link, to_do(Workloads), Memory::default(), "Waiting NeedsMore"),
        (Link, to_do(Service), above, "Removing WaitsForLane"),
        (Link, Look::Blind("e".to_owned()), Memory::default(), "Removing CannotLook"),
    ] {
        let next = decide(&asked(None, allow), &look, memory);
        assert_eq!(word(&next), expected, "{allow:?} {look:?} {memory:?}");
    }
}

/// A lane that sees one thing after the other, and always ends in the same way.
struct Scripted {
    looks: VecDeque<Look>,
    done: Done,
    removed: Removed,
}

impl Runner for Scripted {
    fn look(&mut self, _wanted: &Wanted) -> Look {
        self.looks.pop_front().expect("the script is long enough")
    }

    fn apply(&mut self, _wanted: &Wanted, _allow: Disturbance, _cause: Cause) -> Done {
        self.done.clone()
    }

    fn look_back(&mut self) -> Look {
        self.looks.pop_front().expect("the script is long enough")
    }

    fn remove(&mut self) -> Removed {
        self.removed.clone()
    }

    fn journal(&self) -> Vec<String> {
        vec!["j".to_owned()]
    }
}

/// What was said and told, a line each.
#[derive(Default)]
struct Lines(RefCell<Vec<String>>, bool);

impl Desk for Lines {
    fn confirm(&self, lane: Lane, status: &LaneStatus) -> bool {
        self.say(lane, Some(status));
        self.0.borrow_mut().push("? confirmed".to_owned());
        !self.1
    }

    fn say(&self, _lane: Lane, status: Option<&LaneStatus>) {
        let line = status.map_or("nothing".to_owned(), |s| format!("{:?} {}", s.phase, s.reason));
        self.0.borrow_mut().push(line);
    }

    fn tell(&self, event: Event) {
        self.0.borrow_mut().push(format!("! {:?}", event.what));
    }
}

fn played(looks: &[Look], done: Done, turns: &[Assignment]) -> Vec<String> {
    let removed = Removed::Clean(vec!["x: as it was found".to_owned()]);
    let runner = Scripted { looks: looks.iter().cloned().collect(), done, removed };
    let mut machine = Machine::new(Lane::Profile, Box::new(runner), None);
    let lines = Lines::default();
    turns.iter().for_each(|assignment| machine.turn(Some(assignment), None, &lines));
    lines.0.into_inner()
}

fn made() -> Done {
    Done::Made { drift: Vec::new(), notes: Vec::new() }
}

#[test]
fn what_is_said_when_it_was_made_is_what_the_next_look_says() {
    let notes = vec!["n".to_owned()];
    let looks = [to_do(Link), Look::Seen(Sight { notes: notes.clone(), ..Sight::default() })].into();
    let removed = Removed::Clean(Vec::new());
    let runner = Scripted { looks, done: Done::Made { drift: Vec::new(), notes }, removed };
    let mut machine = Machine::new(Lane::Profile, Box::new(runner), None);
    let mut said = || {
        machine.turn(Some(&asked(Some("a"), Link)), None, &Lines::default());
        machine.status().cloned().unwrap()
    };
    let made = said();
    assert_eq!((made.message.as_str(), &said()), ("all is as it was asked for; note: n", &made));
}

#[test]
fn who_changes_the_same_thing_again_and_again_is_not_fought_with() {
    let looks = [to_do(Link), as_asked(), to_do(Service), to_do(Service), to_do(Service), to_do(Service)];
    let turns = vec![asked(Some("a"), Link); looks.len()];
    let healed = ["! Drifted", "! Healed", "Ready AsAsked"];
    let mut expected = vec!["Applying Applying", "! Applied", "Ready AsAsked", "Ready AsAsked"];
    expected.extend(healed.iter().chain(&healed));
    expected.extend(["! Drifted", "Drifted Contested", "Drifted Contested"]);
    assert_eq!(played(&looks, made(), &turns), expected);
}

#[test]
fn what_failed_is_not_tried_again_until_something_else_is_asked_for() {
    let turns = [asked(Some("a"), Link), asked(Some("a"), Link), asked(Some("b"), Link)];
    let failed = ["Applying Applying", "! Failed", "Failed Failed"];
    let mut expected = failed.to_vec();
    expected.push("Failed Failed");
    expected.extend(failed);
    let looks = [to_do(Link), to_do(Link)];
    assert_eq!(played(&looks, Done::Failed("f".to_owned()), &turns), expected);
}

#[test]
fn who_is_in_the_way_is_waited_for() {
    let busy = Done::Busy("another flyover changes this node".to_owned());
    let wish = asked(Some("a"), Link);
    let lines = played(&[to_do(Nothing), to_do(Nothing)], busy, &[wish.clone(), wish]);
    let tries = lines.iter().filter(|line| line.contains("Busy")).count();
    assert_eq!(tries, 2, "{lines:?}");
}

#[test]
fn a_node_that_reboots_is_not_asked_for_a_second_reboot() {
    let turns = [asked(Some("a"), Reboot), asked(Some("a"), Reboot)];
    let lines = played(&[to_do(Reboot)], Done::Rebooting("r".to_owned()), &turns);
    assert_eq!(lines, ["Applying Applying", "? confirmed", "Applying Rebooting"]);
}

#[test]
fn what_was_taken_back_has_a_receipt_and_is_not_looked_at_again() {
    let removed = Removed::Clean(vec!["x: as it was found".to_owned()]);
    let runner = Scripted { looks: [to_do(Link)].into(), done: made(), removed };
    let mut machine = Machine::new(Lane::Profile, Box::new(runner), None);
    let lines = Lines::default();
    for _ in 0..2 {
        machine.turn(Some(&asked(None, Link)), None, &lines);
    }
    let receipt = machine.status().map(|status| (status.phase, status.receipt.clone()));
    assert_eq!(receipt, Some((LanePhase::Clean, vec!["x: as it was found".to_owned()])));
    machine.turn(None, None, &lines);
    let expected = ["Removing Removing", "! Removed", "Clean Clean", "Clean Clean", "nothing"];
    assert_eq!((lines.0.into_inner(), machine.status()), (expected.map(str::to_owned).to_vec(), None));
}

#[test]
fn nobody_asking_any_more_takes_nothing_away() {
    let runner = Scripted { looks: [as_asked()].into(), done: made(), removed: Removed::Clean(Vec::new()) };
    let mut machine = Machine::new(Lane::Profile, Box::new(runner), None);
    let lines = Lines::default();
    machine.turn(Some(&asked(Some("a"), Link)), None, &lines);
    machine.turn(None, None, &lines);
    let kept = machine.status().map(|status| status.phase);
    assert_eq!((lines.0.into_inner(), kept), (vec!["Ready AsAsked".to_owned()], Some(LanePhase::Ready)));
}

#[test]
fn workloads_are_disturbed_only_once_the_cluster_knows_of_it() {
    let looks = [to_do(Workloads), to_do(Workloads)].into();
    let runner = Scripted { looks, done: made(), removed: Removed::Clean(Vec::new()) };
    let mut machine = Machine::new(Lane::Profile, Box::new(runner), None);
    let deaf = Lines(RefCell::default(), true);
    machine.turn(Some(&asked(Some("a"), Workloads)), None, &deaf);
    let expected = ["Applying Applying", "? confirmed", "Waiting NotConfirmed"].map(str::to_owned).to_vec();
    assert_eq!(deaf.0.into_inner(), expected);
    let lines = Lines::default();
    machine.turn(Some(&asked(Some("a"), Workloads)), None, &lines);
    let expected =
        ["Applying Applying", "? confirmed", "! Applied", "Ready AsAsked"].map(str::to_owned).to_vec();
    assert_eq!(lines.0.into_inner(), expected);
}
