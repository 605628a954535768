//! The definitions of the resources: the server takes them, fills in what is left out, and refuses what makes no sense.

use flyover_api::resource::crds;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::server::{ADMIN, Server};

#[tokio::test]
async fn the_server_takes_the_definitions() {
    let client = Server::get().client(ADMIN).await;
    let api: Api<CustomResourceDefinition> = Api::all(client);
    for crd in crds() {
        let name = crd.metadata.name.clone().unwrap();
        api.patch(&name, &PatchParams::apply("t").force(), &Patch::Apply(&crd)).await.unwrap();
    }
    let _ = json!({});
}
