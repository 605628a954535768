//! Golden files: what each target gets for the document's server.

use flyover_render::{Target, render};

use super::fixture::{everything, meta, nothing};

#[test]
fn every_target_gets_what_its_golden_file_says() {
    for target in Target::ALL {
        for file in render(&everything(), target, &meta()).files {
            insta::assert_snapshot!(format!("{target}.{}", file.name), file.text);
        }
    }
}

#[test]
fn what_a_target_cannot_say_is_in_the_notes() {
    let noted = |target: Target| {
        let notes = render(&everything(), target, &meta()).notes;
        format!("{target}\n{}", notes.iter().map(|note| format!("- {note}\n")).collect::<String>())
    };
    insta::assert_snapshot!("notes", Target::ALL.map(noted).join("\n"));
}

#[test]
fn a_profile_of_nothing_renders_to_little_and_needs_no_exceptions() {
    let all = Target::ALL.map(|target| {
        let rendered = render(&nothing(), target, &meta());
        let files = rendered.files.iter().map(|file| format!("--- {}\n{}", file.name, file.text));
        format!("{target}\n{}{}", files.collect::<String>(), rendered.notes.join("\n"))
    });
    insta::assert_snapshot!("nothing", all.join("\n"));
}

#[test]
fn the_same_profile_gives_the_same_bytes() {
    for target in Target::ALL {
        assert_eq!(render(&everything(), target, &meta()), render(&everything(), target, &meta()));
    }
}

#[test]
fn a_device_without_an_iommu_is_a_taint_everywhere() {
    let settled = flyover_plan::Settled { unsafe_noiommu: true, ..everything() };
    for target in Target::ALL {
        let notes = render(&settled, target, &meta()).notes;
        assert!(notes.iter().any(|note| note.contains("taint the node")), "{target}");
    }
    for (target, word) in [
        (Target::Ignition, "enable_unsafe_noiommu_mode"),
        (Target::Shell, "enable_unsafe_noiommu_mode"),
        (Target::Talos, "vfio.enable_unsafe_noiommu_mode=1"),
        (Target::Bottlerocket, "\"vfio.enable_unsafe_noiommu_mode\" = [\"1\"]"),
    ] {
        assert!(render(&settled, target, &meta()).files[0].text.contains(word), "{target}");
    }
}

#[test]
fn what_an_option_of_vfio_says_is_not_said_twice() {
    let mut settled = flyover_plan::Settled { unsafe_noiommu: true, ..nothing() };
    let option = [("enable_unsafe_noiommu_mode".to_owned(), "1".to_owned())];
    settled.modules.insert("vfio".parse().unwrap(), option.into());
    for target in [Target::Talos, Target::Bottlerocket] {
        let text = &render(&settled, target, &meta()).files[0].text;
        assert_eq!(text.matches("enable_unsafe_noiommu_mode").count(), 1, "{text}");
        assert!(!text.contains("\"1\", \"1\""), "{text}");
    }
}
