//! Layouts as others read them: the same from one build to the next, and whole.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use flyover_bundle::{Architecture, BundleError, Config, Content, Files, Image, Layout, archive};
use sha2::{Digest as _, Sha256};

fn image(architecture: Architecture) -> Image {
    let files = Files::new()
        .file("/bin/tool", 0o755, Content::Bytes(architecture.as_str().as_bytes().to_vec()))
        .and_then(|files| files.link("/bin/alias", "tool"))
        .and_then(|files| files.folder("/tmp", 0o1777))
        .unwrap();
    let config = Config {
        user: "65532:65532".into(),
        entrypoint: vec!["/bin/tool".into()],
        environment: BTreeMap::from([("PATH".into(), "/bin".into())]),
        labels: BTreeMap::from([("org.opencontainers.image.title".into(), "tool".into())]),
        ..Config::default()
    };
    Image { architecture, files, config }
}

fn build(folder: &Path) -> String {
    let mut layout = Layout::create(&folder.join("layout")).unwrap();
    let images = [image(Architecture::Amd64), image(Architecture::Arm64)];
    let digest = layout.add("flyover.local/tool:1", &images).unwrap();
    layout.add("flyover.local/one:1", &images[..1]).unwrap();
    archive(&layout.finish().unwrap(), &folder.join("layout.tar")).unwrap();
    digest.to_string()
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn two_builds_are_one_byte_for_byte() {
    let [first, second] = [(), ()].map(|()| tempfile::tempdir().unwrap());
    assert_eq!(build(first.path()), build(second.path()));
    let [first, second] = [first, second].map(|folder| fs::read(folder.path().join("layout.tar")).unwrap());
    assert!(first == second, "the archives differ");
}

#[test]
fn every_blob_is_what_its_name_says() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path());
    for entry in fs::read_dir(folder.path().join("layout/blobs/sha256")).unwrap() {
        let entry = entry.unwrap();
        let digest = Sha256::digest(fs::read(entry.path()).unwrap());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(entry.file_name().to_str().unwrap(), hex);
    }
}

#[test]
fn an_image_of_two_architectures_is_an_index_and_one_of_one_is_a_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let digest = build(folder.path());
    let layout = folder.path().join("layout");
    let index = json(&layout.join("index.json"));
    let kinds: Vec<_> = (0..2).map(|i| index["manifests"][i]["mediaType"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"]
    );
    assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], "flyover.local/tool:1");
    let inner = json(&layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:")));
    let platforms: Vec<_> =
        (0..2).map(|i| inner["manifests"][i]["platform"]["architecture"].as_str().unwrap()).collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
}

#[test]
fn a_layer_unpacks_to_what_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path());
    let blobs = folder.path().join("layout/blobs/sha256");
    let blob =
        |digest: &serde_json::Value| blobs.join(digest.as_str().unwrap().trim_start_matches("sha256:"));
    let one = json(&folder.path().join("layout/index.json"))["manifests"][1]["digest"].clone();
    let manifest = json(&blob(&one));
    let config = json(&blob(&manifest["config"]["digest"]));
    assert_eq!(
        config["config"],
        serde_json::json!({
            "User": "65532:65532",
            "Env": ["PATH=/bin"],
            "Entrypoint": ["/bin/tool"],
            "Labels": {"org.opencontainers.image.title": "tool"},
        })
    );
    let layer = fs::File::open(blob(&manifest["layers"][0]["digest"])).unwrap();
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(layer).read_to_end(&mut unpacked).unwrap();
    let digest: String = Sha256::digest(&unpacked).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([format!("sha256:{digest}")]));
    let mut archive = tar::Archive::new(unpacked.as_slice());
    let entries: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let target = entry.link_name().unwrap().map(|t| t.display().to_string()).unwrap_or_default();
            (
                entry.path().unwrap().display().to_string(),
                header.mode().unwrap(),
                header.mtime().unwrap(),
                target,
            )
        })
        .collect();
    let entry = |path: &str, mode, target: &str| (path.to_owned(), mode, 0, target.to_owned());
    assert_eq!(
        entries,
        [
            entry("bin/", 0o755, ""),
            entry("bin/alias", 0o777, "tool"),
            entry("bin/tool", 0o755, ""),
            entry("tmp/", 0o1777, ""),
        ]
    );
}

#[test]
fn one_architecture_has_one_image() {
    let folder = tempfile::tempdir().unwrap();
    let mut layout = Layout::create(folder.path()).unwrap();
    let error = layout.add("a/b:1", &[image(Architecture::Amd64), image(Architecture::Amd64)]).unwrap_err();
    assert!(matches!(error, BundleError::Twice { .. }), "{error}");
    assert_eq!(error.to_string(), "`a/b:1` was given two images for amd64");
}
