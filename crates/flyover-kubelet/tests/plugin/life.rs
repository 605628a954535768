//! What kubelet is told and given as long as nothing goes wrong.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use flyover_kubelet::wire::device::{
    CdiDevice, ContainerAllocateResponse, ContainerPreferredAllocationRequest,
    ContainerPreferredAllocationResponse, DevicePluginOptions, DeviceSpec, Empty, Mount as SaidMount,
    PRE_START, PREFERRED, PreStartContainerRequest, PreferredAllocationRequest, PreferredAllocationResponse,
    RegisterRequest,
};
use flyover_kubelet::{
    Allocation, DeviceNode, LastAllocation, Mount, Registration, Resource, ResourceState, rpc,
};
use tokio::time::{Instant, sleep};
use tonic::Code;

use super::kubelet::{LIMIT, Manners};
use super::stage::{BR0, BR1, Stage, list, name, one, resource};

#[tokio::test]
async fn a_resource_is_registered_once_and_its_devices_are_read() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let plugin = stage.plugin(one(BR0, &["a@1", "!b"]));
    plugin.registered().await;
    let view = kubelet.until("a list", |view| !view.lists.is_empty()).await;
    let endpoint = stage.sockets().pop().unwrap();
    let options = DevicePluginOptions { pre_start_required: false, get_preferred_allocation_available: true };
    let register = RegisterRequest {
        version: "v1beta1".into(),
        endpoint: endpoint.clone(),
        resource_name: BR0.into(),
        options: Some(options),
    };
    assert_eq!(view.registered, [register]);
    assert_eq!(view.now[BR0].options, options);
    assert_eq!(view.lists, [(endpoint, list(&["a@1", "!b"]))]);
    let state = ResourceState { registration: Registration::Registered, last_allocation: None };
    assert_eq!(plugin.plugin.state(), [(name(BR0), state)].into());
}

#[tokio::test]
async fn a_list_is_sent_on_each_change_of_devices_and_at_no_other_time() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let plugin = stage.plugin(one(BR0, &["a"]));
    plugin.registered().await;
    let said = |count: usize| move |view: &super::kubelet::View| view.lists.len() == count;
    kubelet.until("the first list", said(1)).await;
    plugin.wanted.send_replace(one(BR0, &["a"]));
    let mut other = resource(&["a"]);
    other.allocation.envs.insert("BRIDGE".into(), "br0".into());
    plugin.wanted.send_replace([(name(BR0), other)].into());
    sleep(Duration::from_secs(1)).await;
    plugin.wanted.send_replace(one(BR0, &["a", "b"]));
    kubelet.until("the second list", said(2)).await;
    plugin.wanted.send_replace(one(BR0, &["b"]));
    let view = kubelet.until("the third list", said(3)).await;
    let lists: Vec<_> = view.lists.into_iter().map(|(_, list)| list).collect();
    assert_eq!(lists, [list(&["a"]), list(&["a", "b"]), list(&["b"])]);
    assert_eq!(view.registered.len(), 1);
}

#[tokio::test]
async fn a_device_that_turns_unhealthy_is_told_within_a_second() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let plugin = stage.plugin(one(BR0, &["a", "b"]));
    plugin.registered().await;
    kubelet.until("both", |view| view.allocatable(BR0) == 2).await;
    let began = Instant::now();
    plugin.wanted.send_replace(one(BR0, &["a", "!b"]));
    let view = kubelet.until("one", |view| view.allocatable(BR0) == 1).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(view.now[BR0].devices, list(&["a", "!b"]));
}

#[tokio::test]
async fn changes_of_a_thousand_devices_arrive_in_order_and_the_last_one_counts() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let ids = |broken: usize| -> Vec<String> {
        (0..1000).map(|i| if i < broken { format!("!d{i}") } else { format!("d{i}") }).collect()
    };
    let wanted = |broken| {
        let ids = ids(broken);
        one(BR0, &ids.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let plugin = stage.plugin(wanted(0));
    plugin.registered().await;
    for broken in 1..=200 {
        plugin.wanted.send_replace(wanted(broken));
        tokio::task::yield_now().await;
    }
    let view = kubelet.until("the last list", |view| view.allocatable(BR0) == 800).await;
    let broken = |list: &flyover_kubelet::wire::device::ListAndWatchResponse| {
        assert_eq!(list.devices.len(), 1000);
        list.devices.iter().filter(|device| device.health == "Unhealthy").count()
    };
    let counts: Vec<_> = view.lists.iter().map(|(_, list)| broken(list)).collect();
    assert!(counts.is_sorted() && counts.last() == Some(&200), "{counts:?}");
}

#[tokio::test]
async fn resources_come_and_go_and_one_that_goes_is_emptied_first() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let plugin = stage.plugin(one(BR0, &["a"]));
    plugin.registered().await;
    plugin.wanted.send_modify(|wanted| wanted.extend(one(BR1, &["x", "y"])));
    kubelet.until("the second", |view| view.allocatable(BR1) == 2).await;
    assert_eq!(stage.sockets().len(), 2);
    plugin.wanted.send_replace(one(BR1, &["x", "y"]));
    let stopped = |view: &super::kubelet::View| view.now[BR0].stopped;
    let view = kubelet.until("the first is gone", stopped).await;
    assert_eq!(view.now[BR0].devices, list(&[]));
    assert_eq!((view.allocatable(BR1), view.now[BR1].stopped), (2, false));
    let mut states = plugin.plugin.states();
    let left = states.wait_for(|states| !states.contains_key(&name(BR0)));
    tokio::time::timeout(LIMIT, left).await.expect("is forgotten").unwrap();
    assert_eq!(stage.sockets(), [view.now[BR1].endpoint.clone()]);
    plugin.wanted.send_modify(|wanted| wanted.extend(one(BR0, &["b"])));
    let view = kubelet.until("it is back", |view| view.allocatable(BR0) == 1).await;
    assert_eq!(view.now[BR0].devices, list(&["b"]));
    assert_eq!(view.registered.len(), 3);
}

#[tokio::test]
async fn a_resource_that_goes_and_comes_at_once_ends_up_with_what_was_wanted_last() {
    let stage = Stage::new();
    let kubelet = stage.kubelet_with(Manners { dazed: Duration::from_millis(500), ..Manners::default() });
    let plugin = stage.plugin(one(BR0, &["a"]));
    plugin.registered().await;
    for _ in 0..5 {
        plugin.wanted.send_replace(BTreeMap::new());
        sleep(Duration::from_millis(10)).await;
        plugin.wanted.send_replace(one(BR0, &["b", "c"]));
        sleep(Duration::from_millis(10)).await;
    }
    kubelet.until("the last", |view| view.allocatable(BR0) == 2).await;
    plugin.registered().await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(kubelet.view().allocatable(BR0), 2);
    assert_eq!(stage.sockets(), [kubelet.view().now[BR0].endpoint.clone()]);
}

fn everything() -> Allocation {
    Allocation {
        envs: [("FLYOVER_BRIDGE".into(), "br0".into())].into(),
        mounts: vec![Mount { host: "/run/flyover".into(), container: "/run/f".into(), read_only: true }],
        nodes: vec![DeviceNode {
            host: "/dev/vhost-net".into(),
            container: "/dev/v".into(),
            permissions: "rw".into(),
        }],
        annotations: [("flyover.dev/bridge".into(), "br0".into())].into(),
        cdi: vec!["flyover.dev/switch=br0".into()],
    }
}

#[tokio::test]
async fn a_container_gets_what_the_resource_says_and_the_state_tells_of_it() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let wanted = Resource { allocation: everything(), ..resource(&["a", "b"]) };
    let plugin = stage.plugin([(name(BR0), wanted)].into());
    kubelet.until("it", |view| view.allocatable(BR0) == 2).await;
    plugin.registered().await;
    let before = SystemTime::now();
    let got = kubelet.allocate(BR0, &["b", "a"]).await.unwrap();
    let given = ContainerAllocateResponse {
        envs: [("FLYOVER_BRIDGE".into(), "br0".into())].into(),
        mounts: vec![SaidMount {
            host_path: "/run/flyover".into(),
            container_path: "/run/f".into(),
            read_only: true,
        }],
        devices: vec![DeviceSpec {
            host_path: "/dev/vhost-net".into(),
            container_path: "/dev/v".into(),
            permissions: "rw".into(),
        }],
        annotations: [("flyover.dev/bridge".into(), "br0".into())].into(),
        cdi_devices: vec![CdiDevice { name: "flyover.dev/switch=br0".into() }],
    };
    assert_eq!(got.container_responses, [given]);
    let LastAllocation { devices, at } = plugin.plugin.state()[&name(BR0)].last_allocation.clone().unwrap();
    assert_eq!(devices, ["b", "a"]);
    assert!(before <= at && at <= SystemTime::now());
}

#[tokio::test]
async fn a_device_that_cannot_be_given_is_refused_by_name() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let plugin = stage.plugin(one(BR0, &["a", "!b"]));
    kubelet.until("it", |view| view.allocatable(BR0) == 1).await;
    let refused = async |ids: &[&str]| {
        let status = kubelet.allocate(BR0, ids).await.unwrap_err();
        (status.code(), status.message().to_owned())
    };
    let unhealthy = "device \"b\" of flyover.dev/switch-br0 is not healthy".to_owned();
    assert_eq!(refused(&["a", "b"]).await, (Code::FailedPrecondition, unhealthy));
    let unknown = "flyover.dev/switch-br0 has no device \"z\\r\\n\"".to_owned();
    assert_eq!(refused(&["z\r\n"]).await, (Code::InvalidArgument, unknown));
    let long = format!("flyover.dev/switch-br0 has no device \"{}\"", "ü".repeat(80));
    assert_eq!(refused(&[&"ü".repeat(1 << 20)]).await, (Code::InvalidArgument, long));
    assert_eq!(plugin.plugin.state()[&name(BR0)].last_allocation, None);
}

#[tokio::test]
async fn devices_of_one_numa_node_are_preferred_and_nothing_is_done_before_a_container_starts() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let _plugin = stage.plugin(one(BR0, &["a@0", "b@1", "c@1"]));
    let view = kubelet.until("it", |view| view.allocatable(BR0) == 3).await;
    let strings = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
    let container = ContainerPreferredAllocationRequest {
        available_device_ids: strings(&["a", "b", "c"]),
        must_include_device_ids: strings(&["c"]),
        allocation_size: 2,
    };
    let request = PreferredAllocationRequest { container_requests: vec![container] };
    let channel = view.now[BR0].channel.clone();
    let preferred: PreferredAllocationResponse =
        rpc::ask(channel.clone(), PREFERRED, request, LIMIT).await.unwrap();
    let response = ContainerPreferredAllocationResponse { device_ids: strings(&["c", "b"]) };
    assert_eq!(preferred.container_responses, [response]);
    let start = PreStartContainerRequest { devices_ids: strings(&["c"]) };
    let Empty {} = rpc::ask(channel.clone(), PRE_START, start, LIMIT).await.unwrap();
    let nothing = rpc::ask::<_, Empty>(channel, "/v1beta1.DevicePlugin/Other", Empty {}, LIMIT).await;
    assert_eq!(nothing.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_plugin_that_ends_empties_nothing_and_takes_its_sockets_along() {
    let stage = Stage::new();
    let kubelet = stage.kubelet();
    let plugin = stage.plugin(one(BR0, &["a"]));
    kubelet.until("it", |view| view.allocatable(BR0) == 1).await;
    std::fs::write(stage.directory().join("kubelet_internal_checkpoint"), "").unwrap();
    plugin.end().await;
    let view = kubelet.until("kubelet sees it", |view| view.now[BR0].stopped).await;
    assert_eq!(view.lists.len(), 1);
    assert_eq!(stage.sockets(), ["kubelet_internal_checkpoint"]);
}
