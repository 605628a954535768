//! Two plugins of one resource: the agent before an upgrade and the one after it.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use tokio::time::sleep;

use super::kubelet::Manners;
use super::stage::{BR0, Stage, list, one};

fn dazed(ms: u64) -> Manners {
    Manners { dazed: Duration::from_millis(ms), ..Manners::default() }
}

#[tokio::test]
async fn the_new_plugin_has_the_resource_although_kubelet_hangs_up_on_it_when_the_old_one_ends() {
    let stage = Stage::new();
    let kubelet = stage.kubelet_with(dazed(100));
    let old = stage.plugin(one(BR0, &["a", "b"]));
    kubelet.until("the old one", |view| view.allocatable(BR0) == 2).await;
    old.registered().await;
    let theirs = stage.sockets();
    let new = stage.plugin(one(BR0, &["a", "b"]));
    new.registered().await;
    let view = kubelet.until("the new one", |view| view.lists.len() == 2).await;
    assert_eq!(view.allocatable(BR0), 2);
    let ours = view.now[BR0].endpoint.clone();
    assert!(!theirs.contains(&ours));
    old.end().await;
    // The fault of kubelet that this is about; without it, once is enough.
    let again = |view: &super::kubelet::View| view.registered.len() == 3 && view.allocatable(BR0) == 2;
    let view = kubelet.until("the new one again", again).await;
    new.registered().await;
    assert_eq!(view.now[BR0].endpoint, ours);
    assert_eq!(stage.sockets(), [ours]);
    // No list was ever empty.
    assert!(view.lists.iter().all(|(_, said)| *said == list(&["a", "b"])), "{:#?}", view.lists);
    sleep(Duration::from_millis(500)).await;
    assert_eq!((kubelet.view().registered.len(), kubelet.view().allocatable(BR0)), (3, 2));
}

#[tokio::test]
async fn a_socket_of_a_dead_plugin_is_removed_and_a_living_one_and_a_strangers_stay() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let directory = stage.directory();
    for dead in ["flyover-switch-br0-00000000.sock", "nvidia.sock"] {
        drop(UnixListener::bind(directory.join(dead)).unwrap());
    }
    fs::write(directory.join("flyover-notes.sock"), "no socket").unwrap();
    let _living = UnixListener::bind(directory.join("flyover-switch-br1-11111111.sock")).unwrap();
    let plugin = stage.plugin(one(BR0, &["a"]));
    kubelet.until("it", |view| view.allocatable(BR0) == 1).await;
    let others = ["flyover-notes.sock", "flyover-switch-br1-11111111.sock", "nvidia.sock"];
    plugin.end().await;
    assert_eq!(stage.sockets(), others);
}

#[tokio::test]
async fn the_old_plugin_has_the_resource_again_when_the_new_one_ends() {
    let stage = Stage::new();
    let kubelet = stage.kubelet_with(dazed(500));
    let old = stage.plugin(one(BR0, &["a", "b"]));
    old.registered().await;
    let ours = stage.sockets();
    let new = stage.plugin(one(BR0, &["a", "b"]));
    new.registered().await;
    new.end().await;
    let back = |view: &super::kubelet::View| view.now[BR0].endpoint == ours[0];
    let view = kubelet.until("the old one again", back).await;
    assert_eq!(view.registered.len(), 3);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(kubelet.view().allocatable(BR0), 2);
    old.registered().await;
    assert_eq!(stage.sockets(), ours);
}

#[tokio::test]
async fn the_old_plugin_registers_again_when_a_new_one_was_killed_and_left_its_socket() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let old = stage.plugin(one(BR0, &["a"]));
    old.registered().await;
    let ours = stage.sockets();
    let new = UnixListener::bind(stage.directory().join("flyover-switch-br0-33333333.sock")).unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!((kubelet.view().registered.len(), stage.sockets().len()), (1, 2));
    drop(new);
    kubelet.until("the old one again", |view| view.registered.len() == 2).await;
    assert_eq!(stage.sockets(), ours);
}

#[tokio::test]
async fn a_socket_that_is_just_being_made_is_not_taken_for_a_dead_one() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let plugin = stage.plugin(one(BR0, &["a"]));
    plugin.registered().await;
    let path = stage.directory().join("flyover-switch-br0-22222222.sock");
    let made = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(made.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    sleep(Duration::from_millis(300)).await;
    listen(&made, Backlog::new(8).unwrap()).unwrap();
    sleep(Duration::from_secs(3)).await;
    assert!(path.exists());
    assert_eq!(kubelet.view().registered.len(), 1);
}

#[tokio::test]
async fn a_kubelet_that_takes_very_long_to_be_done_with_the_old_plugin_ends_up_with_the_new_one() {
    let stage = Stage::new();
    let kubelet = stage.kubelet_with(dazed(3000));
    let old = stage.plugin(one(BR0, &["a"]));
    old.registered().await;
    let new = stage.plugin(one(BR0, &["a"]));
    new.registered().await;
    old.end().await;
    kubelet.until("it takes the new one for ended", |view| view.now[BR0].stopped).await;
    // The plugin cannot know: its devices are read.
    new.registered().await;
    kubelet.until("the new one", |view| view.allocatable(BR0) == 1).await;
    assert_eq!(kubelet.view().registered.len(), 4);
}
