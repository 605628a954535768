//! Who may come to a socket: owners, groups and modes of what is made.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, setegid, seteuid, setgroups};
use serde_json::{Value, json};

use super::rig::{Rig, below};

const ARGS: &str = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_UID=uid-1";

/// Mode, owner and group.
fn of(path: &Path) -> (u32, u32, u32) {
    let meta = path.metadata().unwrap();
    (meta.mode() & 0o7777, meta.uid(), meta.gid())
}

/// The attachment's own directory.
fn cell(rig: &Rig) -> PathBuf {
    let root = rig.path("run/flyover/vhost");
    root.join(below(&root).into_iter().find(|name| !name.ends_with(".back")).unwrap())
}

/// A volume as the kubelet makes it for a pod that anybody may be.
fn volume(rig: &Rig) -> PathBuf {
    let volume = rig.pod("uid-1");
    fs::set_permissions(&volume, PermissionsExt::from_mode(0o777)).unwrap();
    chown(&volume, Some(0), Some(2000)).unwrap();
    volume
}

/// Whether a user of the node comes to a socket, of this thread alone.
fn comes(user: u32, group: u32, socket: &Path) -> bool {
    setgroups(&[]).unwrap();
    setegid(Gid::from_raw(group)).unwrap();
    seteuid(Uid::from_raw(user)).unwrap();
    let came = UnixStream::connect(socket).is_ok();
    seteuid(Uid::from_raw(0)).unwrap();
    setegid(Gid::from_raw(0)).unwrap();
    came
}

#[test]
fn a_pod_without_privileges_comes_to_its_broker_and_a_user_of_the_node_does_not() {
    let rig = Rig::new();
    // The test's own folder lets nobody in.
    fs::set_permissions(rig.root(), PermissionsExt::from_mode(0o755)).unwrap();
    let volume = volume(&rig);
    let mut network: Value = rig.network("net");
    network["host"]["vhost"]["mode"] = "server".into();
    network["container"]["vhost"]["mode"] = "client".into();
    let call = |verb: &str| rig.call(verb, &network).of("c1", "net1").with("CNI_ARGS", ARGS).run().good();
    call("ADD");
    let cell = cell(&rig);
    let (front, back) = (cell.join("v/c1-net1"), cell.with_extension("back").join("c1-net1"));
    assert_eq!(of(&volume), (0o777, 0, 2000), "the volume stays the pod's");
    assert_eq!(
        [of(&volume.join("c1-net1")), of(&cell), of(&back)],
        [(0o666, 0, 2000), (0o750, 0, 1234), (0o660, 0, 1234)]
    );
    // The pod finds it in its volume, where the kubelet lets no user of the node in.
    assert!(comes(1000, 1000, &volume.join("c1-net1")));
    assert!(!comes(1000, 1000, &front));
    assert!(!comes(1000, 1000, &back));
    assert!(comes(1000, 1234, &back), "the switch is of the group");
    call("DEL");
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn a_switch_of_the_group_comes_into_the_volume_and_a_user_of_the_node_does_not() {
    let rig = Rig::new();
    fs::set_permissions(rig.root(), PermissionsExt::from_mode(0o755)).unwrap();
    let volume = volume(&rig);
    let network = rig.network("net");
    let call = |verb: &str| rig.call(verb, &network).of("c1", "net1").with("CNI_ARGS", ARGS).run().good();
    call("ADD");
    assert_eq!((of(&volume), of(&cell(&rig))), ((0o777, 0, 1234), (0o750, 0, 1234)));
    // As the pod makes it.
    let listener = std::os::unix::net::UnixListener::bind(volume.join("c1-net1")).unwrap();
    fs::set_permissions(volume.join("c1-net1"), PermissionsExt::from_mode(0o777)).unwrap();
    let socket = cell(&rig).join("v/c1-net1");
    assert_eq!([comes(1000, 1234, &socket), comes(1000, 1000, &socket)], [true, false]);
    drop(listener);
    call("DEL");
    assert_eq!(rig.traces(), Vec::<String>::new());
}

#[test]
fn a_root_of_sockets_that_others_may_change_is_refused_and_one_that_is_too_strict_is_mended() {
    let rig = Rig::new();
    let root = rig.path("run/flyover/vhost");
    fs::create_dir_all(&root).unwrap();
    let network = rig.network("net");
    let add = || rig.call("ADD", &network).of("c1", "net1").run();
    let status = || rig.call("STATUS", &json!(network)).run();
    fs::set_permissions(&root, PermissionsExt::from_mode(0o777)).unwrap();
    assert_eq!((add().code(), status().code()), (7, 50));
    fs::set_permissions(&root, PermissionsExt::from_mode(0o711)).unwrap();
    chown(&root, Some(1000), None).unwrap();
    assert_eq!((add().code(), status().code()), (7, 50));
    assert_eq!(rig.traces(), Vec::<String>::new());
    // As an older version made it.
    chown(&root, Some(0), Some(1234)).unwrap();
    fs::set_permissions(&root, PermissionsExt::from_mode(0o750)).unwrap();
    status().good();
    add().good();
    assert_eq!(of(&root), (0o751, 0, 1234));
    rig.call("DEL", &network).of("c1", "net1").run().good();
    assert_eq!(rig.traces(), Vec::<String>::new());
}
