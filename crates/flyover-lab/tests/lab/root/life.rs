//! Labs come, fail to come, are taken, crash and go.

use std::time::{Duration, Instant};

use flyover_host::cmd::Cmd;
use flyover_lab::{LabError, LabSpec, Labs, Place};
use flyover_net::netns::Netns;

use super::{rig, spec};

/// The namespaces there are of a lab.
fn left_of(spec: &LabSpec) -> Vec<String> {
    let prefix = format!("{}-", spec.name);
    Netns::list().unwrap().into_iter().filter(|netns| netns.starts_with(&prefix)).collect()
}

#[test]
fn a_lab_with_two_hundred_services_is_up_in_less_than_two_seconds() {
    let spec = LabSpec { services: 200, ..spec("fast") };
    let started = Instant::now();
    let rig = rig(&spec);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(left_of(&spec).len(), 6);
    drop(rig);
    assert_eq!(left_of(&spec), [""; 0]);
}

#[test]
fn two_labs_stand_side_by_side_and_a_name_is_taken_once() {
    let (one, two) = (rig(&spec("side-a")), rig(&spec("side-b")));
    let error = one.labs.up(one.lab.spec()).unwrap_err();
    assert!(matches!(&error, LabError::Taken(name) if name == one.lab.name()), "{error:?}");
    assert!(error.hint().unwrap().contains("flyover lab down"));
    let error = two.labs.up(one.lab.spec()).unwrap_err();
    assert!(matches!(error, LabError::NetnsTaken { .. }), "{error:?}");
    assert!(one.labs.status(one.lab.name()).unwrap().up);
    assert!(two.labs.status(two.lab.name()).unwrap().up);
}

#[test]
fn a_build_that_meets_a_foreign_namespace_changes_nothing() {
    let spec = spec("half");
    let root = tempfile::tempdir().unwrap();
    let labs = Labs::below(root.path());
    let foreign = spec.name.netns(Place::Pod(2, 2));
    Netns::create(&foreign).unwrap();
    assert!(matches!(labs.up(&spec), Err(LabError::NetnsTaken { netns, .. }) if netns == foreign));
    assert_eq!(left_of(&spec), std::slice::from_ref(&foreign));
    assert!(matches!(labs.open(&spec.name), Err(LabError::Missing(_))));
    Netns::delete(&foreign).unwrap();
}

#[test]
fn down_ends_what_lives_in_a_lab_and_can_be_repeated() {
    let rig = rig(&spec("down"));
    let pod = rig.lab.netns(Place::Pod(1, 1)).unwrap();
    let log = std::fs::File::options().write(true).open("/dev/null").unwrap();
    let mut child = pod.run(|| Cmd::new("sleep").args(["600"]).daemon(log)).unwrap().unwrap();
    let lab = rig.lab.commit();
    let name = lab.name().clone();
    let reaper = std::thread::spawn(move || child.wait().unwrap());
    let removed = lab.down().unwrap();
    assert_eq!((removed.namespaces.len(), removed.killed.len()), (6, 1));
    assert!(!reaper.join().unwrap().success());
    let again = rig.labs.down(&name).unwrap();
    assert_eq!((again.namespaces.len(), again.killed.len()), (0, 0));
}

#[test]
fn down_needs_no_record_and_clears_away_a_half_made_lab() {
    let spec = spec("lost");
    let root = tempfile::tempdir().unwrap();
    let lab = Labs::below(root.path()).up(&spec).unwrap();
    // A crash in the middle of building: one namespace gone, one made and not yet marked, the record lost.
    Netns::delete(&lab.pod(2, 1).unwrap().netns_name()).unwrap();
    Netns::create(&spec.name.netns(Place::Pod(2, 9))).unwrap();
    let elsewhere = Labs::below(&root.path().join("elsewhere"));
    assert!(elsewhere.names().unwrap().contains(&spec.name));
    assert!(!elsewhere.status(&spec.name).unwrap().up);
    assert_eq!(elsewhere.down(&spec.name).unwrap().namespaces.len(), 6);
    assert_eq!(left_of(&spec), [""; 0]);
    lab.down().unwrap();
}

#[test]
fn a_namespace_that_somebody_else_made_is_left_alone() {
    let spec = spec("alien");
    let netns = spec.name.netns(Place::Node(1));
    let theirs = Netns::create(&netns).unwrap();
    let loopback = "lo".parse().unwrap();
    flyover_net::netlink::Netlink::open_in(&theirs).unwrap().set_up(&loopback).unwrap();
    let root = tempfile::tempdir().unwrap();
    let error = Labs::below(root.path()).down(&spec.name).unwrap_err();
    assert!(matches!(&error, LabError::Foreign { netns: found } if *found == netns), "{error:?}");
    assert_eq!(left_of(&spec), std::slice::from_ref(&netns));
    Netns::delete(&netns).unwrap();
}

#[test]
fn a_guard_removes_its_lab_unless_it_is_committed() {
    let spec = spec("guard");
    let root = tempfile::tempdir().unwrap();
    let labs = Labs::below(root.path());
    drop(labs.up(&spec).unwrap().guarded());
    assert_eq!(left_of(&spec), [""; 0]);
    let lab = labs.up(&spec).unwrap().guarded().commit();
    assert_eq!(left_of(&spec).len(), 6);
    lab.down().unwrap();
}

#[test]
fn a_place_that_is_not_there_is_named() {
    let rig = rig(&spec("place"));
    let error = rig.lab.pod(1, 3).unwrap_err();
    assert_eq!(error.to_string(), format!("lab `{}` has no n1/p3", rig.lab.name()));
    let ended = rig.lab.exec("n1/p2".parse().unwrap(), Cmd::new("sh").args(["-c", "exit 7"])).unwrap();
    assert_eq!(ended.code(), Some(7));
}
