//! What is to become of a command line, word by word, so that each word that stays can stay where it was written.

use flyover_core::{ArgEdit, KernelArg, KernelArgs};

/// What is to become of a command line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Aim<'a> {
    /// It is to satisfy an edit.
    Edit(&'a ArgEdit),
    /// An edit is to be taken back, and what came since kept.
    Back(&'a Change),
}

/// What an edit did to a command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Words it added.
    pub added: Vec<String>,
    /// Words it took away.
    pub dropped: Vec<String>,
}

impl Change {
    /// What edits, one after the other, did to a command line.
    #[must_use]
    pub(super) fn of(found: &KernelArgs, edits: &[&ArgEdit]) -> Self {
        let after = edits.iter().fold(found.clone(), |line, edit| line.edited(edit));
        let (before, after) = (words(found), words(&after));
        let (kept, added) = kept(&before, &after);
        let dropped =
            (0..before.len()).filter(|at| !kept.contains(at)).map(|at| before[at].clone()).collect();
        Self { added, dropped }
    }
}

impl Aim<'_> {
    /// Which words are to go, by their places, and which are to come, at the end.
    pub(super) fn on(self, line: &[String]) -> (Vec<usize>, Vec<String>) {
        match self {
            Aim::Edit(edit) => {
                let target = words(&KernelArgs::parse(&line.join(" ")).edited(edit));
                let (kept, added) = kept(line, &target);
                ((0..line.len()).filter(|at| !kept.contains(at)).collect(), added)
            }
            Aim::Back(change) => {
                let mut gone = Vec::new();
                for word in &change.added {
                    // Ours stand behind theirs.
                    gone.extend((0..line.len()).rev().find(|at| line[*at] == *word && !gone.contains(at)));
                }
                let stays: Vec<&str> =
                    (0..line.len()).filter(|at| !gone.contains(at)).map(|at| &*line[at]).collect();
                let stays = KernelArgs::parse(&stays.join(" "));
                let lacks =
                    |word: &&String| word.parse::<KernelArg>().is_ok_and(|arg| !stays.satisfies(&arg));
                (gone, change.dropped.iter().filter(lacks).cloned().collect())
            }
        }
    }

    /// Whether a command line is as it is to be.
    pub(super) fn holds(self, line: &KernelArgs) -> bool {
        match self {
            Aim::Edit(edit) => line.fulfils(edit),
            Aim::Back(_) => {
                let (gone, come) = self.on(&words(line));
                gone.is_empty() && come.is_empty()
            }
        }
    }
}

pub(super) fn words(line: &KernelArgs) -> Vec<String> {
    line.iter().map(|arg| arg.raw().to_owned()).collect()
}

/// The longest sequence of words that both have, by the places in `before`, and what `after` has besides.
fn kept(before: &[String], after: &[String]) -> (Vec<usize>, Vec<String>) {
    let mut length = vec![vec![0u32; after.len() + 1]; before.len() + 1];
    for (i, one) in before.iter().enumerate().rev() {
        for (j, other) in after.iter().enumerate().rev() {
            let both = if one == other { length[i + 1][j + 1] + 1 } else { 0 };
            length[i][j] = both.max(length[i + 1][j]).max(length[i][j + 1]);
        }
    }
    let (mut i, mut j, mut kept, mut added) = (0, 0, Vec::new(), Vec::new());
    while j < after.len() {
        if i < before.len() && before[i] == after[j] {
            kept.push(i);
            (i, j) = (i + 1, j + 1);
        } else if i < before.len() && length[i + 1][j] >= length[i][j + 1] {
            i += 1;
        } else {
            added.push(after[j].clone());
            j += 1;
        }
    }
    (kept, added)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn words_that_stay_keep_their_places_and_the_rest_goes_to_the_end() {
        let edit = ArgEdit {
            set: ["iommu=pt", "hugepagesz=1G", "hugepages=4"].map(|arg| arg.parse().unwrap()).to_vec(),
            unset: vec!["quiet".parse().unwrap()],
        };
        let (gone, come) = Aim::Edit(&edit).on(&line("ro quiet iommu=nopt splash"));
        assert_eq!((gone, come.join(" ")), (vec![1, 2], "iommu=pt hugepagesz=1G hugepages=4".to_owned()));
    }

    #[test]
    fn taking_back_keeps_what_came_since() {
        let edit = ArgEdit { set: vec!["iommu=pt".parse().unwrap()], unset: vec!["quiet".parse().unwrap()] };
        let change = Change::of(&KernelArgs::parse("ro quiet"), &[&edit]);
        let (gone, come) = Aim::Back(&change).on(&line("ro theirs=1 iommu=pt"));
        assert_eq!((gone, come), (vec![2], vec!["quiet".to_owned()]));
    }
}
