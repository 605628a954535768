//! GRUB with a generated configuration: where our arguments go in its defaults.
//!
//! What is added goes into a file of ours where the distribution reads drop-ins, else into `GRUB_CMDLINE_LINUX`.
//! What is to go is taken from the assignments that say it, wherever they are.

use flyover_core::{Bytes, FileAt, FileMode, FileState, HostPath};

use super::aim::Aim;
use super::assignment::{Assignment, assignments, quote, rewritten};
use super::entries::text_of;
use crate::hands::refused;
use crate::root::HostError;

/// The file of ours; its name sorts behind all others.
pub(super) const DROP_IN: &str = "zz-flyover.cfg";

const ALL: &str = "GRUB_CMDLINE_LINUX";
const NORMAL: &str = "GRUB_CMDLINE_LINUX_DEFAULT";
const HEAD: &str = "# Kernel arguments of flyover; `flyover node rollback` takes them away.\n";

struct Source {
    file: FileAt,
    text: String,
    assignments: Vec<Assignment>,
}

/// One word of the effective command line: source, assignment, word.
type Place = (usize, usize, usize);

/// The files with defaults, in the order in which they are read, as they are to be. `files` are those found.
pub(super) fn edited(
    defaults: &HostPath,
    drop_ins: Option<&HostPath>,
    files: &[FileAt],
    aim: Aim<'_>,
) -> Result<Vec<FileAt>, HostError> {
    let mut sources = read(defaults, drop_ins, files)?;
    let places = effective(&sources);
    let line: Vec<String> =
        places.iter().map(|(s, a, w)| sources[*s].assignments[*a].words[*w].clone()).collect();
    let (gone, come) = aim.on(&line);
    let mut touched: Vec<(usize, usize)> = Vec::new();
    for at in gone.into_iter().rev() {
        let (s, a, w) = places[at];
        sources[s].assignments[a].words.remove(w);
        touched.push((s, a));
    }
    // Taking back leaves nothing of ours behind, so what comes back goes where it may have been.
    let ours = drop_ins
        .filter(|_| matches!(aim, Aim::Edit(_)))
        .map(|dir| dir.join(DROP_IN).expect("a file name joins"));
    if !come.is_empty() {
        let place = add(&mut sources, ours, defaults, &come);
        touched.extend(place);
    }
    touched.sort_unstable();
    touched.dedup();
    // What is new here belongs to whom the rest belongs to.
    let owner = sources
        .iter()
        .find_map(|source| source.file.file.as_ref())
        .map_or((0, 0), |file| (file.uid, file.gid));
    Ok(sources.into_iter().enumerate().map(|(s, source)| written(source, s, &touched, owner)).collect())
}

fn read(
    defaults: &HostPath,
    drop_ins: Option<&HostPath>,
    files: &[FileAt],
) -> Result<Vec<Source>, HostError> {
    let is_source = |file: &&FileAt| {
        file.path == *defaults
            || (drop_ins.is_some()
                && file.path.parent().as_ref() == drop_ins
                && file.path.as_str().ends_with(".cfg"))
    };
    let mut sources: Vec<&FileAt> =
        files.iter().filter(is_source).filter(|file| file.file.is_some()).collect();
    sources.sort_by_key(|file| (file.path != *defaults, file.path.clone()));
    let read = |file: &FileAt| {
        let text = text_of(file).unwrap_or_default().to_owned();
        let assignments = assignments(&text, &[NORMAL, ALL]).map_err(|unclear| {
            refused(
                format!("cannot edit `{}`: {unclear}", file.path),
                "write its GRUB_CMDLINE_LINUX… as plain NAME=\"words\" lines, or pass the arguments by hand (`flyover node emit --for grub`)",
            )
        })?;
        Ok(Source { file: file.clone(), text, assignments })
    };
    sources.into_iter().map(read).collect()
}

/// The words that make up the command line of normal entries, in its order.
fn effective(sources: &[Source]) -> Vec<Place> {
    let mut places = Vec::new();
    for name in [ALL, NORMAL] {
        let mut of_name: Vec<Place> = Vec::new();
        for (s, source) in sources.iter().enumerate() {
            for (a, assignment) in source.assignments.iter().enumerate().filter(|(_, each)| each.name == name)
            {
                if !assignment.adds_to_itself() {
                    of_name.clear();
                }
                let words = assignment.words.iter().enumerate();
                of_name.extend(
                    words.filter(|(_, word)| !Assignment::is_reference(word)).map(|(w, _)| (s, a, w)),
                );
            }
        }
        places.append(&mut of_name);
    }
    places
}

/// Adds words to the file of ours, or to the last assignment that counts; says which assignment was touched.
fn add(
    sources: &mut Vec<Source>,
    ours: Option<HostPath>,
    defaults: &HostPath,
    words: &[String],
) -> Option<(usize, usize)> {
    let Some(ours) = ours else { return add_in_place(sources, defaults, words) };
    let s = sources.iter().position(|source| source.file.path == ours).unwrap_or_else(|| {
        let text = format!("{HEAD}{NORMAL}=\"${NORMAL}\"\n");
        sources.push(Source::new(ours, text));
        sources.len() - 1
    });
    let a = sources[s].assignments.len().checked_sub(1)?;
    sources[s].assignments[a].words.extend_from_slice(words);
    Some((s, a))
}

fn add_in_place(sources: &mut Vec<Source>, defaults: &HostPath, words: &[String]) -> Option<(usize, usize)> {
    let last = |source: &Source| source.assignments.iter().rposition(|each| each.name == ALL);
    if let Some((s, a)) = sources.iter().enumerate().rev().find_map(|(s, source)| Some((s, last(source)?))) {
        sources[s].assignments[a].words.extend_from_slice(words);
        return Some((s, a));
    }
    let line = format!("{ALL}={}\n", quote(words));
    match sources.iter_mut().find(|source| source.file.path == *defaults) {
        Some(source) => {
            let gap = if source.text.is_empty() || source.text.ends_with('\n') { "" } else { "\n" };
            source.text = format!("{}{gap}{line}", source.text);
        }
        None => sources.push(Source::new(defaults.clone(), line)),
    }
    None
}

impl Source {
    fn new(path: HostPath, text: String) -> Self {
        let assignments = assignments(&text, &[NORMAL, ALL]).expect("what is written here can be read here");
        Self { file: FileAt { path, file: None, dirs: Vec::new() }, text, assignments }
    }
}

fn written(source: Source, s: usize, touched: &[(usize, usize)], (uid, gid): (u32, u32)) -> FileAt {
    let is_ours = source.file.path.as_str().ends_with(DROP_IN);
    let changed = |a: usize| touched.contains(&(s, a));
    let changed: Vec<Assignment> = source
        .assignments
        .iter()
        .enumerate()
        .filter(|(a, _)| changed(*a))
        .map(|(_, each)| each.clone())
        .collect();
    if is_ours
        && !changed.is_empty()
        && changed.iter().all(|each| each.words.iter().all(|word| Assignment::is_reference(word)))
    {
        return FileAt { file: None, ..source.file };
    }
    let content = Bytes::from(rewritten(&source.text, &changed));
    let mode = FileMode::of(0o644);
    let state = source.file.file.unwrap_or(FileState { content: Bytes::default(), mode, uid, gid });
    FileAt { file: Some(FileState { content, ..state }), ..source.file }
}
