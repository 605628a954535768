//! As much of a shell as the scripts of our units need: lists, `test -e`, `echo`, `grep -qx`, `modprobe`, `exit`.

use std::fs;
use std::io;
use std::path::Path;

use super::{Machine, at, other};

/// How a list ended.
enum Ended {
    With(bool),
    ByExit(bool),
}

impl Machine {
    /// Runs a script, and says whether it ended well.
    pub(super) fn script(&self, root: &Path, script: &str) -> io::Result<bool> {
        let words: Vec<&str> = script.split_whitespace().collect();
        // `echo 1;` as `echo 1 ;`.
        let words: Vec<&str> = words
            .iter()
            .flat_map(|word| match word.strip_suffix(';') {
                Some(word) => vec![word, ";"],
                None => vec![*word],
            })
            .collect();
        match self.list(root, &words)? {
            Ended::With(well) | Ended::ByExit(well) => Ok(well),
        }
    }

    fn list(&self, root: &Path, words: &[&str]) -> io::Result<Ended> {
        let (mut well, mut joint, mut from, mut depth) = (true, ";", 0, 0);
        for at in 0..=words.len() {
            let word = words.get(at).copied().unwrap_or(";");
            depth += i32::from(word == "{") - i32::from(word == "}");
            if depth > 0 || !matches!(word, ";" | "&&" | "||") {
                continue;
            }
            let goes = joint == ";" || (joint == "&&") == well;
            if goes && from < at {
                match self.command(root, &words[from..at])? {
                    Ended::With(ended) => well = ended,
                    exit @ Ended::ByExit(_) => return Ok(exit),
                }
            }
            (joint, from) = (word, at + 1);
        }
        Ok(Ended::With(well))
    }

    fn command(&self, root: &Path, words: &[&str]) -> io::Result<Ended> {
        Ok(Ended::With(match words {
            ["{", list @ .., "}"] => return self.list(root, list),
            ["exit", code] => return Ok(Ended::ByExit(*code == "0")),
            ["test", "-e", path] => at(root, path).exists(),
            ["test", "!", "-e", path] => !at(root, path).exists(),
            ["grep", "-qx" | "-qsx", line, path] => {
                fs::read_to_string(at(root, path)).is_ok_and(|text| text.lines().any(|each| each == *line))
            }
            ["modprobe", module] => self.modprobe(root, &[module]).is_ok(),
            ["echo", value, ">", path] => self.attribute(root, path, value).is_ok(),
            ["echo", ..] => true,
            _ => return Err(other(format!("sh: what is {words:?}?"))),
        }))
    }
}
