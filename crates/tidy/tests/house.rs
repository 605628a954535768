//! Holds this house to its own rules, and shows on a small workspace that cargo's view of one is understood.

use std::fs;
use std::path::Path;

use tidy::{Packages, Reach};

#[test]
fn the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let faults: Vec<String> = tidy::check(&root).unwrap().iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_workspace_is_read_as_cargo_sees_it() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n");
    for (name, dependencies) in
        [("flyover-core", "flyover-net = { path = \"../flyover-net\" }"), ("flyover-net", "")]
    {
        let package = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\nlicense = \"MIT\"\n"
        );
        write(&format!("crates/{name}/Cargo.toml"), &format!("{package}\n[dependencies]\n{dependencies}\n"));
        write(&format!("crates/{name}/src/lib.rs"), "");
    }
    let packages = Packages::read(root.path()).unwrap();
    let (core, manifest) = packages.rooms().find(|(room, _)| room.name == "flyover-core").unwrap();
    assert_eq!(manifest, Path::new("crates/flyover-core/Cargo.toml"));
    let arrow = &core.dependencies[0];
    assert_eq!((packages.all[arrow.to].name.as_str(), arrow.reach), ("flyover-net", Reach::Product));
    assert_eq!(tidy::floors::check(&packages).len(), 1, "an arrow from words to hands");
}

#[test]
fn deny_toml_allows_the_same_licences() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deny.toml")).unwrap();
    let list = text.split("allow = [").nth(1).and_then(|t| t.split(']').next()).unwrap();
    let allowed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert_eq!(allowed, tidy::tables::LICENCES);
    let skipped: Vec<&str> = text.split("{ crate = \"").skip(1).filter_map(|t| t.split('"').next()).collect();
    let excepted: Vec<&str> = tidy::tables::DUPLICATES.iter().map(|(name, _)| *name).collect();
    assert_eq!(skipped, excepted);
}

#[test]
fn the_papers_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let papers = ["README", "ARCHITECTURE", "SPECIFICATION", "CONTRIBUTING", "CHANGELOG", "SECURITY"];
    for paper in papers {
        assert!(root.join(format!("{paper}.md")).is_file(), "{paper}.md");
    }
}
