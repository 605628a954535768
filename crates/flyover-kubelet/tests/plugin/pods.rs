//! Who holds what, as kubelet tells it.

use std::error::Error;

use flyover_kubelet::rpc::{self, Answers, Served};
use flyover_kubelet::wire::pods::{
    ContainerDevices, ContainerResources, LIST, ListPodResourcesRequest, ListPodResourcesResponse,
    PodResources as Pod,
};
use flyover_kubelet::{Holder, PodResources};
use futures::stream::unfold;
use tokio::net::UnixListener;
use tonic::body::Body;
use tonic::transport::Server;

#[derive(Clone)]
struct Lister(usize);

impl Answers for Lister {
    async fn answer(self, path: String, request: http::Request<Body>) -> http::Response<Body> {
        assert_eq!(path, LIST);
        rpc::one(request, |ListPodResourcesRequest {}| async move { Ok(pods(self.0)) }).await
    }
}

fn pods(count: usize) -> ListPodResourcesResponse {
    let pod = |index: usize| {
        let devices = ContainerDevices {
            resource_name: "flyover.dev/switch-br0".into(),
            device_ids: vec![format!("br0-{index}"), "x".repeat(60)],
            topology: None,
        };
        let containers = vec![ContainerResources { name: "c".into(), devices: vec![devices] }];
        Pod { name: format!("pod{index:05}"), namespace: "ns".into(), containers }
    };
    ListPodResourcesResponse { pod_resources: (0..count).rev().map(pod).collect() }
}

#[tokio::test]
async fn holders_are_listed_in_order_also_where_the_list_is_longer_than_grpc_reads_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("kubelet.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let accepted =
        unfold(listener, |listener| async { Some((listener.accept().await.map(|it| it.0), listener)) });
    tokio::spawn(Server::builder().serve_with_incoming(Served(Lister(50_000)), accepted));
    let holders = PodResources::at(&socket).holders().await.unwrap();
    assert_eq!(holders.len(), 50_000);
    assert!(holders.is_sorted());
    let first = Holder {
        namespace: "ns".into(),
        pod: "pod00000".into(),
        container: "c".into(),
        resource: "flyover.dev/switch-br0".into(),
        devices: vec!["br0-0".into(), "x".repeat(60)],
    };
    assert_eq!(holders[0], first);
}

#[tokio::test]
async fn a_kubelet_that_is_not_there_is_named_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("kubelet.sock");
    let error = PodResources::at(&socket).holders().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("failed to ask kubelet at `{}` which pods hold devices", socket.display())
    );
    assert!(error.source().unwrap().to_string().contains("No such file or directory (os error 2)"));
}
