//! What of a proposed resource takes effect at a node's start only: all that can be said before the node's agent has planned it.

use flyover_api::resource::Lane;
use flyover_api::{NodeProfileSpec, When};

use super::Proposed;

/// For what of it a node would reboot.
pub(super) fn needed(new: &Proposed) -> Option<String> {
    if new.lane != Lane::Profile {
        return None;
    }
    let spec: NodeProfileSpec = serde_json::from_value(new.spec.clone().into()).ok()?;
    let fields = [
        ("kernelArgs.present", !spec.kernel_args.present.is_empty()),
        ("kernelArgs.absent", !spec.kernel_args.absent.is_empty()),
        ("iommu", spec.iommu.is_some()),
        ("cpu.isolated", spec.cpu.as_ref().is_some_and(|cpu| cpu.isolated.is_some())),
        ("hugepages.defaultSize", spec.hugepages.default_size.is_some()),
        ("hugepages.pages", spec.hugepages.pages.iter().any(|pages| pages.when == When::Boot)),
    ];
    let fields: Vec<String> =
        fields.iter().filter(|(_, set)| *set).map(|(field, _)| format!("spec.{field}")).collect();
    (!fields.is_empty()).then(|| format!("unless it is so already, for {}", fields.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn arguments_of_the_kernel_and_pages_at_boot_need_a_reboot_and_pages_at_run_time_do_not() {
        let reboot = |spec: Value| {
            let spec = spec.as_object().unwrap().clone();
            let placement = serde_json::from_value(json!({})).unwrap();
            needed(&Proposed { lane: Lane::Profile, name: "p".into(), placement, spec })
        };
        let page = |when: &str| json!({"size": "2M", "count": 8, "when": when});
        let at_run_time = json!({"pages": [page("runtime")], "mounts": []});
        let arguments = json!({"present": [], "absent": []});
        assert_eq!(reboot(json!({"hugepages": at_run_time, "kernelArgs": arguments})), None);
        let at_boot = json!({"pages": [page("boot"), page("boot")]});
        assert_eq!(
            reboot(json!({"hugepages": at_boot, "kernelArgs": {"present": ["nosmt"]}})).as_deref(),
            Some("unless it is so already, for spec.kernelArgs.present, spec.hugepages.pages")
        );
    }
}
