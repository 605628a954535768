//! Kubelets that come late, go, come back, refuse, or do not keep their word.

use std::fs;
use std::time::Duration;

use flyover_kubelet::{Registration, ResourceState};
use tokio::time::{Instant, sleep};

use super::kubelet::Manners;
use super::stage::{BR0, Stage, list, name, one};

fn waiting(why: &str) -> Registration {
    Registration::Waiting { why: why.to_owned() }
}

#[tokio::test]
async fn a_kubelet_that_restarts_has_the_resource_again_at_once() {
    let stage = Stage::new();
    let mut kubelet = stage.kubelet();
    let plugin = stage.plugin(one(BR0, &["a", "b"]));
    for _ in 0..5 {
        kubelet.until("it", |view| view.allocatable(BR0) == 2).await;
        plugin.registered().await;
        drop(kubelet);
        plugin.until(|registration| *registration != Registration::Registered).await;
        // What was left by the dead one is still there, so the first attempts go to nobody.
        sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        kubelet = stage.kubelet();
        let view = kubelet.until("it again", |view| view.allocatable(BR0) == 2).await;
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(view.registered.len(), 1);
        assert_eq!(stage.sockets(), [view.now[BR0].endpoint.clone()]);
    }
}

#[tokio::test]
async fn a_new_kubelet_is_met_though_the_old_one_is_not_dead_yet() {
    let stage = Stage::new();
    let old = stage.kubelet();
    let plugin = stage.plugin(one(BR0, &["a"]));
    old.until("it", |view| view.allocatable(BR0) == 1).await;
    let new = stage.kubelet();
    new.until("it", |view| view.allocatable(BR0) == 1).await;
    drop(old);
    sleep(Duration::from_millis(500)).await;
    assert_eq!((new.view().allocatable(BR0), new.view().registered.len()), (1, 1));
    plugin.registered().await;
}

#[tokio::test]
async fn a_kubelet_that_comes_late_into_a_directory_that_is_not_there_yet_is_waited_for() {
    let stage = Stage::new();
    let plugin = stage.plugin(one(BR0, &["a"]));
    let directory = stage.directory();
    let why = format!(
        "failed to make a socket in `{}`: No such file or directory (os error 2)",
        directory.display()
    );
    let states = plugin.until(|registration| *registration == waiting(&why)).await;
    let state = ResourceState { registration: waiting(&why), last_allocation: None };
    assert_eq!(states, [(name(BR0), state)].into());
    fs::create_dir(&directory).unwrap();
    sleep(Duration::from_secs(6)).await;
    assert_eq!(stage.sockets().len(), 1);
    let began = Instant::now();
    let kubelet = stage.kubelet();
    kubelet.until("it", |view| view.allocatable(BR0) == 1).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    plugin.registered().await;
}

#[tokio::test]
async fn a_kubelet_whose_socket_is_left_behind_is_waited_for_however_long() {
    let stage = Stage::new();
    drop(stage.kubelet());
    let plugin = stage.plugin(one(BR0, &["a"]));
    plugin.until(|registration| *registration == waiting("Connection refused (os error 111)")).await;
    // Long enough that the pauses are seconds.
    sleep(Duration::from_secs(4)).await;
    let began = Instant::now();
    let kubelet = stage.kubelet();
    kubelet.until("it", |view| view.allocatable(BR0) == 1).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_socket_that_somebody_deletes_is_made_again_and_kubelet_is_not_bothered() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let plugin = stage.plugin(one(BR0, &["a"]));
    kubelet.until("it", |view| view.allocatable(BR0) == 1).await;
    plugin.registered().await;
    let sockets = stage.sockets();
    let path = stage.directory().join(&sockets[0]);
    for _ in 0..3 {
        fs::remove_file(&path).unwrap();
        let began = Instant::now();
        while !path.exists() {
            assert!(began.elapsed() < Duration::from_secs(5));
            sleep(Duration::from_millis(10)).await;
        }
    }
    plugin.wanted.send_replace(one(BR0, &["a", "b"]));
    let view = kubelet.until("a change", |view| view.allocatable(BR0) == 2).await;
    assert_eq!((view.registered.len(), stage.sockets()), (1, sockets));
    // And it is one that answers: a kubelet that starts now, in the same directory, is told of it.
    drop(kubelet);
    stage.kubelet().until("it", |view| view.allocatable(BR0) == 2).await;
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason_and_the_next_kubelet_is_asked_again() {
    let stage = Stage::new();
    let why = "requested API version \"v1beta1\" is not supported by kubelet. Supported version is [\"v2\"]";
    let kubelet = stage.kubelet_with(Manners { refuses: Some(why), ..Manners::default() });
    let plugin = stage.plugin(one(BR0, &["a"]));
    let refused = Registration::Refused { reason: why.to_owned() };
    let states = plugin.until(|registration| *registration == refused).await;
    let state = ResourceState { registration: refused, last_allocation: None };
    assert_eq!(states, [(name(BR0), state)].into());
    sleep(Duration::from_secs(2)).await;
    // After 0.2, 0.6 and 1.4 s.
    let asked = kubelet.view().registered.len();
    assert!((2..=5).contains(&asked), "{asked}");
    drop(kubelet);
    stage.kubelet().until("it", |view| view.allocatable(BR0) == 1).await;
    plugin.registered().await;
}

#[tokio::test]
async fn a_slow_kubelet_is_asked_once() {
    let stage = Stage::new();
    let kubelet = stage.kubelet_with(Manners { slow: Duration::from_secs(4), ..Manners::default() });
    let plugin = stage.plugin(one(BR0, &["a"]));
    // What changes meanwhile is in the first list.
    sleep(Duration::from_secs(1)).await;
    plugin.wanted.send_replace(one(BR0, &["b"]));
    plugin.registered().await;
    let view = kubelet.until("it", |view| view.allocatable(BR0) == 1).await;
    assert_eq!(view.registered.len(), 1);
    assert_eq!(view.lists, [(stage.sockets()[0].clone(), list(&["b"]))]);
}

#[tokio::test]
async fn a_kubelet_that_hangs_up_each_time_is_asked_less_and_less_often() {
    let stage = Stage::new();
    let kubelet = stage.kubelet_with(Manners { fickle: true, ..Manners::default() });
    let plugin = stage.plugin(one(BR0, &["a"]));
    plugin.until(|registration| *registration == waiting("kubelet stopped reading the devices")).await;
    sleep(Duration::from_secs(3)).await;
    // After 0.2, 0.6, 1.4 and 3 s.
    let asked = kubelet.view().registered.len();
    assert!((2..=6).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_kubelet_that_takes_the_resource_and_does_not_read_its_devices_is_asked_again() {
    let stage = Stage::new();
    let kubelet = stage.kubelet_with(Manners { deaf: true, ..Manners::default() });
    let plugin = stage.plugin(one(BR0, &["a"]));
    let why = "kubelet took the resource, and does not read its devices";
    plugin.until(|registration| *registration == waiting(why)).await;
    kubelet.until("again", |view| view.registered.len() == 2).await;
}
