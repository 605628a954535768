//! What of a proposed resource takes effect at a node's start only: all that can be said before the node's agent has planned it.

use flyover_api::resource::Lane;
use serde_json::Value;

use super::Proposed;

/// For what of it a node would reboot.
pub(super) fn needed(new: &Proposed) -> Option<String> {
    let spec = Value::Object(new.spec.clone());
    let is_set = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    let plain =
        ["/kernelArgs/present", "/kernelArgs/absent", "/iommu", "/cpu/isolated", "/hugepages/defaultSize"];
    let plain = plain.into_iter().filter(|path| spec.pointer(path).is_some_and(is_set));
    let pages = spec["hugepages"]["pages"].as_array().into_iter().flatten();
    let at_boot = pages.filter(|pages| pages["when"] == "boot").map(|_| "/hugepages/pages");
    let mut fields: Vec<String> =
        plain.chain(at_boot).map(|path| format!("spec{}", path.replace('/', "."))).collect();
    fields.dedup();
    let known = new.lane == Lane::Profile && !fields.is_empty();
    known.then(|| format!("unless it is so already, for {}", fields.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
