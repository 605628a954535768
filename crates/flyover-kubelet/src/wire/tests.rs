//! Each message against bytes that the Go code of k8s.io/kubelet v0.35.4 wrote for the same values.

use std::fmt::Debug;

use prost::Message;

use super::device::{
    AllocateRequest, AllocateResponse, CdiDevice, ContainerAllocateRequest, ContainerAllocateResponse,
    ContainerPreferredAllocationRequest, ContainerPreferredAllocationResponse, Device, DevicePluginOptions,
    DeviceSpec, HEALTHY, ListAndWatchResponse, Mount, NumaNode, PreStartContainerRequest,
    PreferredAllocationRequest, PreferredAllocationResponse, RegisterRequest, TopologyInfo, UNHEALTHY,
    VERSION,
};
use super::pods::{ContainerDevices, ContainerResources, ListPodResourcesResponse, PodResources};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn is_kubelets<M: Message + Default + PartialEq + Debug>(ours: &M, theirs: &str) {
    assert_eq!(ours.encode_to_vec(), bytes(theirs));
    assert_eq!(&M::decode(bytes(theirs).as_slice()).unwrap(), ours);
}

fn strings(these: &[&str]) -> Vec<String> {
    these.iter().map(|&s| s.to_owned()).collect()
}

#[test]
fn a_registration_is_what_kubelets_own_code_writes() {
    let options = DevicePluginOptions { pre_start_required: true, get_preferred_allocation_available: false };
    let register = RegisterRequest {
        version: VERSION.into(),
        endpoint: "e.sock".into(),
        resource_name: "a.b/c".into(),
        options: Some(options),
    };
    is_kubelets(&register, "0a07763162657461311206652e736f636b1a05612e622f6322020801");
    let options = DevicePluginOptions { pre_start_required: false, get_preferred_allocation_available: true };
    is_kubelets(&options, "1001");
}

#[test]
fn a_list_is_what_kubelets_own_code_writes() {
    let topology = TopologyInfo { nodes: vec![NumaNode { id: 0 }, NumaNode { id: 1 }] };
    let devices = vec![
        Device { id: "br0-0".into(), health: HEALTHY.into(), topology: Some(topology) },
        Device { id: "br0-1".into(), health: UNHEALTHY.into(), topology: None },
    ];
    is_kubelets(
        &ListAndWatchResponse { devices },
        "0a180a056272302d3012074865616c7468791a060a000a0208010a120a056272302d311209556e6865616c746879",
    );
}

#[test]
fn a_preference_is_what_kubelets_own_code_writes() {
    let request = ContainerPreferredAllocationRequest {
        available_device_ids: strings(&["a", "b"]),
        must_include_device_ids: strings(&["b"]),
        allocation_size: 2,
    };
    is_kubelets(
        &PreferredAllocationRequest { container_requests: vec![request] },
        "0a0b0a01610a01621201621802",
    );
    let response = ContainerPreferredAllocationResponse { device_ids: strings(&["b", "a"]) };
    is_kubelets(&PreferredAllocationResponse { container_responses: vec![response] }, "0a060a01620a0161");
}

#[test]
fn an_allocation_is_what_kubelets_own_code_writes() {
    let request = ContainerAllocateRequest { devices_ids: strings(&["a", "b"]) };
    is_kubelets(&AllocateRequest { container_requests: vec![request] }, "0a060a01610a0162");
    let response = ContainerAllocateResponse {
        envs: [("K".into(), "v".into()), ("L".into(), "w".into())].into(),
        mounts: vec![Mount { container_path: "/c".into(), host_path: "/h".into(), read_only: true }],
        devices: vec![DeviceSpec {
            container_path: "/dev/c".into(),
            host_path: "/dev/h".into(),
            permissions: "rw".into(),
        }],
        annotations: [("x".into(), "y".into())].into(),
        cdi_devices: vec![CdiDevice { name: "v/c=n".into() }],
    };
    is_kubelets(
        &AllocateResponse { container_responses: vec![response] },
        "0a430a060a014b1201760a060a014c120177120a0a022f6312022f6818011a140a062f6465762f6312062f6465762f681a02727722060a\
         01781201792a070a05762f633d6e",
    );
    is_kubelets(&PreStartContainerRequest { devices_ids: strings(&["a"]) }, "0a0161");
}

#[test]
fn of_pods_what_they_hold_is_read_and_the_rest_is_skipped() {
    let devices = ContainerDevices {
        resource_name: "a.b/c".into(),
        device_ids: strings(&["x", "y"]),
        topology: Some(TopologyInfo { nodes: vec![NumaNode { id: 1 }] }),
    };
    let container = ContainerResources { name: "c".into(), devices: vec![devices] };
    let pod = PodResources { name: "pod".into(), namespace: "ns".into(), containers: vec![container] };
    // Beside this the pod had processors and memory of its own.
    let theirs = "0a330a03706f6412026e731a280a016312130a05612e622f631201781201791a040a0208011a020102220a0a066d656d6f7279\
                  1007";
    let read = ListPodResourcesResponse::decode(bytes(theirs).as_slice()).unwrap();
    assert_eq!(read, ListPodResourcesResponse { pod_resources: vec![pod] });
}
