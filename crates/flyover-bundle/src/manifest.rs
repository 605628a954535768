//! The documents of the OCI image format that a layout is made of.
//!
//! Invariant: the order of fields and of what stands in them is fixed, since digests are taken of the text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::blobs::Digest;
use crate::layer::Layer;
use crate::{Architecture, Config, Image};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// When everything happened.
const ALWAYS: &str = "1970-01-01T00:00:00Z";

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Platform {
    architecture: String,
    os: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    schema_version: u8,
    media_type: String,
    pub(crate) manifests: Vec<Descriptor>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ImageConfig<'a> {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    config: Execution<'a>,
    rootfs: RootFs<'a>,
    history: [History; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    entrypoint: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    cmd: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    working_dir: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct RootFs<'a> {
    r#type: &'static str,
    diff_ids: [&'a Digest; 1],
}

#[derive(Debug, Serialize)]
struct History {
    created: &'static str,
    created_by: &'static str,
}

impl Descriptor {
    fn of(media_type: &str, (digest, size): (Digest, u64)) -> Self {
        Self { media_type: media_type.into(), digest, size, platform: None, annotations: BTreeMap::new() }
    }

    /// Of a manifest of an image for that architecture.
    pub(crate) fn of_image(blob: (Digest, u64), architecture: Architecture) -> Self {
        let platform = Platform { architecture: architecture.as_str().into(), os: "linux".into() };
        Self { platform: Some(platform), ..Self::of(MANIFEST, blob) }
    }

    /// Of an index of images.
    pub(crate) fn of_index(blob: (Digest, u64)) -> Self {
        Self::of(INDEX, blob)
    }
}

impl Index {
    pub(crate) fn new(manifests: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: INDEX.into(), manifests }
    }
}

impl Manifest {
    pub(crate) fn new(config: (Digest, u64), layer: &Layer) -> Self {
        let layer = Descriptor::of(LAYER, (layer.digest.clone(), layer.size));
        let config = Descriptor::of(CONFIG, config);
        Self { schema_version: 2, media_type: MANIFEST, config, layers: vec![layer] }
    }
}

impl<'a> ImageConfig<'a> {
    pub(crate) fn new(image: &'a Image, layer: &'a Layer) -> Self {
        let Config { user, entrypoint, arguments, environment, folder, labels } = &image.config;
        let env = environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Self {
            created: ALWAYS,
            architecture: image.architecture.as_str(),
            os: "linux",
            config: Execution { user, env, entrypoint, cmd: arguments, working_dir: folder, labels },
            rootfs: RootFs { r#type: "layers", diff_ids: [&layer.unpacked] },
            history: [History { created: ALWAYS, created_by: "flyover-bundle" }],
        }
    }
}
