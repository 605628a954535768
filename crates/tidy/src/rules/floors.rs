//! Arrows only point down, and every room has a floor and the workspace's lints.

use crate::tables::{FLOORS, Floor};
use crate::{Fault, Packages, Reach, Tree};

/// Faults of the arrows between rooms. Tests may use the rigs of the dev floor.
pub fn check(packages: &Packages) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (room, manifest) in packages.rooms() {
        let Some(floor) = floor_of(&room.name) else {
            let what = format!("`{}` has no floor: give it one in crates/tidy/src/tables.rs", room.name);
            faults.push(Fault::of(manifest, what));
            continue;
        };
        for arrow in &room.dependencies {
            let target = &packages.all[arrow.to];
            let Some(below) = target.room.as_ref().and_then(|_| floor_of(&target.name)) else { continue };
            if !may_point(floor, below, arrow.reach) {
                let what =
                    format!("`{}` ({floor:?}) may not depend on `{}` ({below:?})", room.name, target.name);
                faults.push(Fault::of(manifest, what));
            }
        }
    }
    faults
}

/// Faults of rooms that do not take the workspace's lints.
pub fn lints(packages: &Packages, tree: &Tree) -> Vec<Fault> {
    let inherits = |text: &str| {
        text.split("[lints]").nth(1).is_some_and(|t| t.trim_start().starts_with("workspace = true"))
    };
    packages
        .rooms()
        .filter_map(|(_, manifest)| tree.file(manifest.to_str()?))
        .filter(|file| !inherits(&file.text))
        .map(|file| {
            Fault::of(&file.path, "does not inherit the workspace's lints: add `[lints] workspace = true`")
        })
        .collect()
}

fn floor_of(name: &str) -> Option<Floor> {
    FLOORS.iter().find(|(room, _)| *room == name).map(|(_, floor)| *floor)
}

fn may_point(from: Floor, to: Floor, reach: Reach) -> bool {
    match (from, to) {
        (_, Floor::Dev) => from == Floor::Dev || reach == Reach::Tests,
        (Floor::Bins, Floor::Bins) => false,
        _ => to <= from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(from: &str, to: &str, reach: Reach) -> Vec<String> {
        let packages = Packages::of(&[(from, "0.1.0", "MIT"), (to, "0.1.0", "MIT")], &[(from, to, reach)]);
        check(&packages).iter().map(Fault::to_string).collect()
    }

    #[test]
    fn an_arrow_that_points_up_is_a_fault() {
        assert_eq!(
            verdict("flyover-core", "flyover-net", Reach::Product),
            [
                "crates/flyover-core/Cargo.toml: `flyover-core` (Words) may not depend on `flyover-net` (Hands)"
            ]
        );
    }

    #[test]
    fn hands_may_hold_hands() {
        assert!(verdict("flyover-lab", "flyover-net", Reach::Product).is_empty());
    }

    #[test]
    fn a_rig_serves_tests_and_not_the_product() {
        assert!(verdict("flyover-net", "flyover-testkit", Reach::Tests).is_empty());
        assert_eq!(verdict("flyover-net", "flyover-testkit", Reach::Product).len(), 1);
    }

    #[test]
    fn a_room_without_a_floor_is_refused() {
        let faults = verdict("attic", "flyover-core", Reach::Product);
        assert!(faults[0].contains("`attic` has no floor"), "{faults:?}");
    }

    #[test]
    fn a_room_without_the_workspace_lints_is_a_fault() {
        let packages = Packages::of(&[("flyover-core", "0.1.0", "MIT")], &[]);
        let manifest = "crates/flyover-core/Cargo.toml";
        assert!(lints(&packages, &Tree::of([(manifest, "[lints]\nworkspace = true\n")])).is_empty());
        assert_eq!(lints(&packages, &Tree::of([(manifest, "[package]\nname = \"a\"\n")])).len(), 1);
    }
}
