//! A switch as a person would write it: what is as usual is left out.

use serde_json::from_str;

use super::SwitchSpec;
use crate::tree::Tree;

impl SwitchSpec {
    /// The spec in YAML, which reads as this again.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut tree = tree(self);
        leave_out(&mut tree, &tree_of_defaults());
        if matches!(&tree, Tree::Map(parts) if parts.is_empty()) {
            return "{}\n".to_owned();
        }
        // A long line is left whole: folded, it would have to be unfolded by eye.
        let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
        serde_saphyr::to_string_with_options(&tree, options)
            .expect("text, numbers, lists and maps can be written")
    }
}

fn tree_of_defaults() -> Tree {
    tree(&SwitchSpec::default())
}

fn tree(spec: &SwitchSpec) -> Tree {
    let json = serde_json::to_string(spec).expect("a spec has names for keys");
    from_str(&json).expect("what was written as JSON reads as JSON")
}

/// Takes out what is the same in `usual`.
fn leave_out(tree: &mut Tree, usual: &Tree) {
    let (Tree::Map(parts), Tree::Map(_)) = (tree, usual) else { return };
    parts.retain_mut(|(key, part)| {
        let Some(usual) = usual.get(&[key]) else { return true };
        let same = part == usual;
        leave_out(part, usual);
        !same && !matches!(part, Tree::Map(parts) if parts.is_empty())
    });
}

#[cfg(test)]
mod tests;
