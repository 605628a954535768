//! Which of the known names was meant by one that is not known.

/// Most letters that may differ.
const CLOSE: usize = 2;

/// The name that is nearest to `word`, if it is near at all.
pub(crate) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |s: &str| s.to_ascii_lowercase().replace(['_', '-'], "");
    let word = plain(word);
    let far = |name: &str| distance(&word, &plain(name));
    let close = names.into_iter().map(|name| (far(name), name));
    close
        .filter(|(far, name)| *far <= CLOSE && *far < name.len())
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// How many letters must be changed, added, left out or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            let swap = if swap { rows[i - 2][j - 2] + 1 } else { usize::MAX };
            row.push(change.min(swap).min(rows[i - 1][j] + 1).min(row[j - 1] + 1));
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_understood_and_another_word_is_not() {
        let names = ["hugepages", "kernelArgs", "iommu", "cpu"];
        for (word, name) in [
            ("hugepage", Some("hugepages")),
            ("kernel_args", Some("kernelArgs")),
            ("kernelargs", Some("kernelArgs")),
            ("iomum", Some("iommu")),
            ("cpus", Some("cpu")),
            ("x", None),
            ("memory", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), name, "{word}");
        }
    }
}
