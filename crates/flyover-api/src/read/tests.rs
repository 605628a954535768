//! What people write, rightly and wrongly.

use std::fmt::Debug;
use std::str::FromStr;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::{
    Amount, CpuSpec, DeviceSelector, DriverSpec, FileSpec, HugepageMountSpec, HugepagePoolSpec,
    HugepagesSpec, Iommu, KernelArgsSpec, ModuleSpec, ServiceSpec, ServiceWish, When,
};

fn refused(text: &str) -> (String, Option<String>) {
    let error = NodeProfileSpec::from_yaml(text).unwrap_err();
    (error.to_string(), error.hint())
}

#[test]
fn the_spec_alone_and_the_whole_object_are_the_same() {
    let object = "apiVersion: flyover.dev/v1alpha1\nkind: NodeProfile\nmetadata:\n  name: worker\n  labels: {a: b}\n\
                  spec:\n  iommu: on\n";
    let spec = NodeProfileSpec::from_yaml("iommu: on\n").unwrap();
    assert_eq!(NodeProfileSpec::from_yaml(object).unwrap(), spec);
    assert_eq!(spec.iommu, Some(Iommu::On));
}

#[test]
fn an_empty_profile_asks_for_nothing() {
    assert_eq!(NodeProfileSpec::from_yaml("").unwrap(), NodeProfileSpec::default());
}

#[test]
fn numbers_where_words_are_meant_are_read_as_written() {
    let text = "sysctls: {vm.swappiness: 1}\ndrivers:\n- select: {vendor: 8086, device: 10fb}\n  driver: vfio-pci\n\
                hugepages:\n  mounts:\n  - {path: /mnt/huge, pageSize: 1G, mode: 0770}\n";
    let spec = NodeProfileSpec::from_yaml(text).unwrap();
    assert_eq!(spec.sysctls.values().collect::<Vec<_>>(), ["1"]);
    assert_eq!(spec.drivers[0].select.vendor.as_deref(), Some("8086"));
    assert_eq!(spec.hugepages.mounts[0].mode, "0770".parse().ok());
}

#[test]
fn an_unknown_field_is_named_with_its_place_and_what_was_meant() {
    assert_eq!(
        refused("hugepages:\n  pagse: []\n"),
        ("line 2, column 3: unknown field `pagse`".into(), Some("did you mean `pages`?".into()))
    );
    let (what, hint) = refused("kind: NodeProfile\nspecs: {}\n");
    assert_eq!(
        (what.as_str(), hint.as_deref()),
        ("line 2, column 1: unknown field `specs`", Some("did you mean `spec`?"))
    );
    let (_, hint) = refused("cpu: {whatever: 1}\n");
    assert_eq!(
        hint.unwrap(),
        "the fields here are isolated, reserved, coresPerNode; `flyover node explain` says what they mean"
    );
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    assert_eq!(
        refused("iommu: on\niommu: off\n"),
        ("line 2, column 1: `iommu` is there already".into(), Some("keep one of them".into()))
    );
    let (what, _) = refused("unsafeNoiommu: true\nunsafe_noiommu: false\n");
    assert!(what.ends_with("`unsafeNoiommu` is there already"), "{what}");
    let (what, _) = refused("sysctls: {a.b: 1, a.b: 2}\n");
    assert!(what.ends_with("`a.b` is there already"), "{what}");
}

#[test]
fn a_missing_field_is_named() {
    let (what, _) = refused("hugepages:\n  pages:\n  - size: 2M\n");
    assert_eq!(what, "line 3, column 5: the field `count` is missing");
}

#[test]
fn a_value_that_is_none_is_refused_where_it_stands() {
    for (text, what) in [
        ("cpu:\n  isolated: 1-x\n", "line 2, column 13: `1-x` in `1-x` is no CPU"),
        ("iommu: maybe\n", "line 1, column 8: unknown variant `maybe`, expected one of off, on, passthrough"),
        (
            "hugepages: {pages: [{size: 3M, count: 1}]}\n",
            "line 1, column 28: `3M` is not the size of a huge page",
        ),
        ("hugepages: {pages: [{size: 2M, count: many}]}\n", "line 1, column 39: invalid u64"),
        ("- a\n", "line 1, column 1: expected mapping start"),
    ] {
        let (found, _) = refused(text);
        assert!(found.starts_with(what), "{text:?}: {found}");
    }
}

#[test]
fn a_text_that_is_not_yaml_is_refused_with_its_place() {
    let (what, _) = refused("cpu: [\n");
    assert!(what.starts_with("line "), "{what}");
}

#[test]
fn other_kinds_versions_and_several_documents_are_refused() {
    let (what, hint) = refused("apiVersion: v1\nkind: Pod\nspec: {}\n");
    assert_eq!(what, "this is a Pod of v1, not a NodeProfile of flyover.dev/v1alpha1");
    assert!(hint.unwrap().contains("the spec alone"));
    assert_eq!(refused("---\niommu: on\n---\niommu: off\n").0, "there is more than one document");
}

fn parsed<T: FromStr + Debug>(pattern: &'static str) -> impl Strategy<Value = T> {
    pattern.prop_filter_map("not a word", |text| text.parse().ok())
}

fn hugepages() -> impl Strategy<Value = HugepagesSpec> {
    let when = prop_oneof![Just(When::Boot), Just(When::Runtime)];
    let pool = (parsed("2M|1G|64K"), any::<u64>(), option::of(0..8u32), when);
    let pool = pool.prop_map(|(size, count, node, when)| HugepagePoolSpec {
        size,
        count,
        node: node.map(flyover_core::NumaNode),
        when,
    });
    let mount =
        (parsed("/[a-z ]{1,9}"), parsed("2M|1G"), option::of(parsed("0[0-7]{3}")), any::<Option<u32>>());
    let mount = (mount, option::of("[0-9]{1,3}[MG]")).prop_map(|((path, page_size, mode, gid), size)| {
        HugepageMountSpec { path, page_size, mode, gid, size }
    });
    (option::of(parsed("2M|1G")), vec(pool, 0..3), vec(mount, 0..3))
        .prop_map(|(default_size, pages, mounts)| HugepagesSpec { default_size, pages, mounts })
}

fn cpu() -> impl Strategy<Value = CpuSpec> {
    let amount =
        || prop_oneof![Just(Amount::Auto), parsed("[0-9]{1,3}(,[0-9]{1,2}){0,2}").prop_map(Amount::Cpus)];
    (option::of(amount()), option::of(amount()), any::<u32>())
        .prop_map(|(isolated, reserved, cores_per_node)| CpuSpec { isolated, reserved, cores_per_node })
}

fn drivers() -> impl Strategy<Value = Vec<DriverSpec>> {
    let select =
        (option::of(parsed("0000:0[0-9]:1[0-9].[0-7]")), option::of("[0-9a-f]{4}"), option::of("[0-9e]{4}"));
    let select = (select, option::of(parsed("02|0200|020000")), option::of(parsed("[a-z0-9*]{1,8}")));
    let select = select.prop_map(|((address, vendor, device), class, name)| DeviceSelector {
        address,
        vendor,
        device,
        class,
        name,
    });
    vec((select, parsed("[a-z_-]{1,9}")).prop_map(|(select, driver)| DriverSpec { select, driver }), 0..3)
}

fn system() -> impl Strategy<Value = NodeProfileSpec> {
    let module = (parsed("[a-z_-]{1,9}"), btree_map("[a-z_]{1,5}", "[!-~]{0,5}", 0..3));
    let modules = vec(module.prop_map(|(name, options)| ModuleSpec { name, options }), 0..3);
    let state = prop_oneof![Just(ServiceWish::Disabled), Just(ServiceWish::Masked)];
    let service = (parsed("[a-z-]{1,9}"), state).prop_map(|(name, state)| ServiceSpec { name, state });
    let file = (parsed("/[a-z]{1,9}"), any::<String>(), option::of(parsed("[0-7]{4}")));
    let file = file.prop_map(|(path, content, mode)| FileSpec { path, content, mode });
    let sysctls = btree_map(parsed("[a-z]{1,4}(.[a-z0-9_]{1,4}){1,2}"), "[ -~]{0,9}", 0..3);
    (modules, sysctls, vec(service, 0..3), vec(file, 0..2)).prop_map(|(modules, sysctls, services, files)| {
        NodeProfileSpec { modules, sysctls, services, files, ..NodeProfileSpec::default() }
    })
}

fn any_spec() -> impl Strategy<Value = NodeProfileSpec> {
    let iommu = option::of(prop_oneof![Just(Iommu::Off), Just(Iommu::On), Just(Iommu::Passthrough)]);
    let args = (vec(parsed("[a-z_]{1,5}(=[a-z0-9,]{1,5})?"), 0..3), vec(parsed("[a-z]{1,5}"), 0..3))
        .prop_map(|(present, absent)| KernelArgsSpec { present, absent });
    let parts = (hugepages(), args, iommu, any::<bool>(), option::of(cpu()), drivers(), system());
    parts.prop_map(|(hugepages, kernel_args, iommu, unsafe_noiommu, cpu, drivers, system)| NodeProfileSpec {
        hugepages,
        kernel_args,
        iommu,
        unsafe_noiommu,
        cpu,
        drivers,
        ..system
    })
}

proptest! {
    #[test]
    fn every_spec_survives_writing_and_reading(spec in any_spec()) {
        let text = serde_saphyr::to_string(&spec).unwrap();
        prop_assert_eq!(NodeProfileSpec::from_yaml(&text).unwrap(), spec, "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        drop(NodeProfileSpec::from_yaml(&text));
    }
}
