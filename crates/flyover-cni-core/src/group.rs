//! Groups of the host by name, read from its file.
//!
//! Why not the C library: a static program cannot load the modules that it asks, and what they fetch over the network
//! must not hold up a pod.

use std::path::Path;

use crate::error::{CniError, Code};

/// The number of a group.
pub fn id_of(root: &Path, name: &str) -> Result<u32, CniError> {
    let path = root.join("etc/group");
    let text = std::fs::read_to_string(&path)
        .map_err(|e| CniError::new(Code::Io, format!("failed to read `{}`", path.display())).because(&e))?;
    find(&text, name).ok_or_else(|| {
        CniError::new(Code::Config, format!("there is no group `{}` on this node", name.escape_default()))
    })
}

fn find(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let same = fields.next()? == name;
        let _password = fields.next()?;
        let id = fields.next()?.parse().ok()?;
        same.then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let text = "root:x:0:\nbroken\nhuge:x:5:\nhugetlbfs:x:1001:qemu,ovs\n";
        assert_eq!(find(text, "hugetlbfs"), Some(1001));
        assert_eq!(find(text, "hugetlb"), None);
        assert_eq!(find(text, ""), None);
    }
}
