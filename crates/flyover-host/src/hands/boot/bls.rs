//! Entries after the Boot Loader Specification, and the file that new kernels' entries are made from.

use flyover_core::{Bytes, FileAt, FileState, HostPath};

use super::aim::{Aim, words};
use super::entries::{is_entry, options_of, text_of};
use super::grub;
use crate::root::HostError;

/// The entries as they are to be, those that need no change left out.
pub(super) fn edited_entries(entries: &HostPath, files: &[FileAt], aim: Aim<'_>) -> Vec<FileAt> {
    let in_entries = files.iter().filter(|file| is_entry(file, entries));
    in_entries.filter_map(|file| with_text(file, edited_entry(text_of(file)?, aim)?)).collect()
}

/// The file with defaults as it is to be, if it needs a change.
pub(super) fn edited_defaults(
    defaults: &HostPath,
    files: &[FileAt],
    aim: Aim<'_>,
) -> Result<Vec<FileAt>, HostError> {
    let Some(file) = files.iter().find(|file| file.path == *defaults) else { return Ok(Vec::new()) };
    if !defaults.as_str().ends_with("/cmdline") {
        return grub::edited(defaults, None, files, aim);
    }
    let text = text_of(file).unwrap_or_default();
    Ok(edited_line(text.trim(), aim)
        .and_then(|line| with_text(file, format!("{line}\n")))
        .into_iter()
        .collect())
}

fn with_text(file: &FileAt, text: String) -> Option<FileAt> {
    let state = file.file.clone()?;
    Some(FileAt { file: Some(FileState { content: Bytes::from(text), ..state }), ..file.clone() })
}

/// A command line as it is to be, if it is not so.
fn edited_line(line: &str, aim: Aim<'_>) -> Option<String> {
    let before = words(&flyover_core::KernelArgs::parse(line));
    let (gone, come) = aim.on(&before);
    if gone.is_empty() && come.is_empty() {
        return None;
    }
    let stay = before.into_iter().enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, word)| word);
    Some(stay.chain(come).collect::<Vec<_>>().join(" "))
}

/// An entry with its options, now in one line, as they are to be.
fn edited_entry(text: &str, aim: Aim<'_>) -> Option<String> {
    let line = edited_line(&text.lines().filter_map(options_of).collect::<Vec<_>>().join(" "), aim)?;
    let (mut out, mut said) = (String::new(), false);
    for each in text.lines() {
        if options_of(each).is_none() {
            out.push_str(each);
        } else if said {
            continue;
        } else {
            said = true;
            out.push_str("options ");
            out.push_str(&line);
        }
        out.push('\n');
    }
    if !said {
        out.push_str(&format!("options {line}\n"));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use flyover_core::ArgEdit;

    use super::*;

    #[test]
    fn options_of_several_lines_become_one_and_the_rest_stays() {
        let edit = ArgEdit { set: vec!["iommu=pt".parse().unwrap()], unset: Vec::new() };
        let text = "title A\noptions root=/dev/a\nlinux /vmlinuz\noptions quiet\n";
        let wanted = "title A\noptions root=/dev/a quiet iommu=pt\nlinux /vmlinuz\n";
        assert_eq!(edited_entry(text, Aim::Edit(&edit)).as_deref(), Some(wanted));
        assert_eq!(edited_entry(wanted, Aim::Edit(&edit)), None);
    }
}
