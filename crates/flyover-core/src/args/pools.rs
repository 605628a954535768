//! Edits of the arguments for huge pages, which go and come together because their order counts.

use super::arg::KernelArg;
use super::edit::append;
use super::hugepages::{HugepageArgs, HugepageCount, Kind, count_in, roles};
use crate::HugepageSize;

/// A token that names a size with the counts behind it, or counts alone for the default size.
#[derive(Debug, Default)]
struct Group {
    tokens: Vec<KernelArg>,
    default: Option<HugepageSize>,
    size: Option<HugepageSize>,
    count: Option<HugepageCount>,
}

impl Group {
    /// The groups of `wanted`, without what the kernel would ignore.
    fn all(wanted: &[KernelArg]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for (role, arg) in roles(wanted).into_iter().zip(wanted) {
            let Some(role) = role.filter(|r| r.effective) else { continue };
            if role.kind != Kind::Count || groups.is_empty() {
                let default = role.size.filter(|_| role.kind == Kind::DefaultSize);
                groups.push(Self { size: role.size, default, ..Self::default() });
            }
            if let Some(group) = groups.last_mut() {
                group.tokens.push(arg.clone());
                group.count = group.count.take().or(count_in(arg).filter(|_| role.kind == Kind::Count));
            }
        }
        groups
    }

    fn is_held(&self, args: &[KernelArg], default_size: HugepageSize) -> bool {
        let now = HugepageArgs::of(args);
        let known = |size| roles(args).iter().flatten().any(|r| r.effective && r.size == size);
        self.default.is_none_or(|size| now.default == Some(size))
            && (self.size.is_none() || known(self.size))
            && (self.count.is_none() || now.count(self.size.unwrap_or(default_size)) == self.count.as_ref())
    }
}

/// `args` with the huge pages of `wanted`. Of a size whose count changes, all former tokens go; with a new default
/// size goes what was counted for the old one without naming it, because it would mean other pages now.
pub(super) fn edited(args: Vec<KernelArg>, wanted: &[KernelArg]) -> Vec<KernelArg> {
    let groups = Group::all(wanted);
    let now = HugepageArgs::of(&args);
    let default_size = HugepageArgs::of(wanted).default.unwrap_or(now.default_size());
    let pending: Vec<&Group> = groups.iter().filter(|g| !g.is_held(&args, default_size)).collect();
    if pending.is_empty() {
        return args;
    }
    let sets_default = pending.iter().any(|g| g.default.is_some());
    let counted = pending.iter().filter(|g| g.count.is_some());
    let touched: Vec<HugepageSize> = counted.map(|g| g.size.unwrap_or(default_size)).collect();

    let roles = roles(&args);
    let goes = |at: usize| {
        let Some(role) = roles[at] else { return false };
        let owner = role.head.and_then(|head| roles[head]);
        let by_default = owner.is_none_or(|o| o.kind == Kind::DefaultSize);
        let size = role.size.or((role.head.is_none()).then(|| now.default_size()));
        match role.kind {
            Kind::DefaultSize => sets_default,
            Kind::Size => role.size.is_some_and(|s| touched.contains(&s)),
            Kind::Count => size.is_some_and(|s| touched.contains(&s)) || sets_default && by_default,
        }
    };
    let kept = args.iter().enumerate().filter(|(at, _)| !goes(*at)).map(|(_, arg)| arg.clone());
    add(kept.collect(), &groups, default_size)
}

/// A count without a size goes before all that names one, or it would mean that.
fn add(mut args: Vec<KernelArg>, groups: &[Group], default_size: HugepageSize) -> Vec<KernelArg> {
    let missing: Vec<&Group> = groups.iter().filter(|g| !g.is_held(&args, default_size)).collect();
    for group in missing {
        let first = roles(&args).iter().position(Option::is_some);
        match first.filter(|_| group.size.is_none()) {
            Some(at) => drop(args.splice(at..at, group.tokens.iter().cloned())),
            None => group.tokens.iter().for_each(|token| append(&mut args, token)),
        }
    }
    args
}
