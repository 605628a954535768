//! Reads and changes assignments in files of shell, and leaves all else byte for byte.
//!
//! Invariant: what is not understood (substitutions, values over several lines, conditions) is refused; nothing is
//! guessed, for a host that does not boot is the price.

use std::ops::Range;

/// `NAME="words $OTHER"`, with its value as words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    /// The words of the value without the shell's quotes. A reference to a variable is one private character.
    pub(super) words: Vec<String>,
    /// The references, by their private characters.
    references: Vec<String>,
    value: Range<usize>,
}

/// What was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not understood: {why}")]
pub(super) struct Unclear {
    line: usize,
    why: &'static str,
}

const FIRST_REFERENCE: u32 = 0xE000;

impl Assignment {
    /// Whether it adds to what the variable held before.
    pub(super) fn adds_to_itself(&self) -> bool {
        self.references.iter().any(|reference| reference.trim_matches(['$', '{', '}']) == self.name)
    }

    /// Whether a word holds a reference, so that nothing can be said of it.
    pub(super) fn is_reference(word: &str) -> bool {
        word.contains(|c| ('\u{E000}'..='\u{F8FF}').contains(&c))
    }

    fn quoted(&self) -> String {
        let mut out = String::from("\"");
        for c in self.words.join(" ").chars() {
            match usize::try_from(u32::from(c).wrapping_sub(FIRST_REFERENCE))
                .ok()
                .and_then(|i| self.references.get(i))
            {
                Some(reference) => out.push_str(reference),
                None if matches!(c, '"' | '\\' | '$' | '`') => out.extend(['\\', c]),
                None => out.push(c),
            }
        }
        out.push('"');
        out
    }
}

/// A value in double quotes, as a shell reads it back.
pub(super) fn quote(words: &[String]) -> String {
    let value =
        Assignment { name: String::new(), words: words.to_vec(), references: Vec::new(), value: 0..0 };
    value.quoted()
}

/// The assignments to variables of those names, in order.
pub(super) fn assignments(text: &str, names: &[&str]) -> Result<Vec<Assignment>, Unclear> {
    let (mut found, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let unclear = |why| Unclear { line: at + 1, why };
        let code = line.trim_start();
        match code.split(|c: char| c.is_whitespace() || c == ';').next() {
            Some("if" | "case" | "for" | "while" | "until") => depth += 1,
            Some("fi" | "esac" | "done") => depth -= 1,
            _ => {}
        }
        let bare = code.strip_prefix("export ").map_or(code, str::trim_start);
        let mentioned = names.iter().find(|name| assigns(code, name)).filter(|_| !code.starts_with('#'));
        if let Some(name) = mentioned {
            let behind = bare.strip_prefix(name).and_then(|rest| rest.strip_prefix('='));
            let value = behind.ok_or_else(|| unclear("the assignment is part of something else"))?;
            if depth != 0 {
                return Err(unclear("the assignment depends on a condition"));
            }
            let value_at = start + line.len() - value.len();
            let (end, words, references) = read_value(value).map_err(unclear)?;
            found.push(Assignment {
                name: (*name).to_owned(),
                words,
                references,
                value: value_at..value_at + end,
            });
        }
        start += line.len();
    }
    Ok(found)
}

/// Whether the name stands there as a whole, before `=` or `+=`.
fn assigns(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let behind = &code[at + name.len()..];
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '{'))
            && (behind.starts_with('=') || behind.starts_with("+="))
    })
}

/// The text with the values of these assignments, which were read from it, as they are now.
pub(super) fn rewritten(text: &str, assignments: &[Assignment]) -> String {
    let (mut out, mut from) = (String::new(), 0);
    for assignment in assignments {
        out.push_str(&text[from..assignment.value.start]);
        out.push_str(&assignment.quoted());
        from = assignment.value.end;
    }
    out + &text[from..]
}

/// Where the value ends, its words and its references.
fn read_value(text: &str) -> Result<(usize, Vec<String>, Vec<String>), &'static str> {
    let mut reader = Reader { text, at: 0, value: String::new(), references: Vec::new() };
    let mut in_double = false;
    while let Some(c) = text[reader.at..].chars().next() {
        match c {
            '"' => in_double = !in_double,
            '\n' if in_double => return Err("its value goes on in the next line"),
            '\'' if !in_double => {
                let end = text[reader.at + 1..].find('\'').ok_or("its value goes on in the next line")?;
                reader.value.push_str(&text[reader.at + 1..reader.at + 1 + end]);
                reader.at += end + 1;
            }
            '\\' => reader.escaped(in_double)?,
            '`' => return Err("it runs a command"),
            '$' => {
                reader.reference()?;
                continue;
            }
            c if !in_double && c.is_whitespace() => break,
            ';' | '&' | '|' | '<' | '>' | '(' | ')' if !in_double => return Err("another command follows"),
            c if Assignment::is_reference(c.encode_utf8(&mut [0; 4])) => {
                return Err("it holds a private character");
            }
            c => reader.value.push(c),
        }
        reader.at += c.len_utf8();
    }
    let rest = text[reader.at..].trim_start();
    if in_double {
        return Err("its value goes on in the next line");
    }
    if !(rest.is_empty() || rest.starts_with('#')) {
        return Err("something follows the value");
    }
    let words = words_of(&reader.value);
    Ok((reader.at, words, reader.references))
}

/// Splits where the kernel splits: blanks between double quotes belong to the word.
fn words_of(value: &str) -> Vec<String> {
    let mut in_quote = false;
    let words = value.split(|c: char| {
        in_quote ^= c == '"';
        c.is_whitespace() && !in_quote
    });
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    value: String,
    references: Vec<String>,
}

impl Reader<'_> {
    /// Reads the character behind a backslash, and stops on it.
    fn escaped(&mut self, in_double: bool) -> Result<(), &'static str> {
        let next = self.text[self.at + 1..].chars().next().filter(|c| *c != '\n');
        let next = next.ok_or("its value goes on in the next line")?;
        if in_double && !matches!(next, '$' | '`' | '"' | '\\') {
            self.value.push('\\');
        }
        self.value.push(next);
        self.at += next.len_utf8();
        Ok(())
    }

    /// Reads `$NAME` or `${NAME}`, and stops behind it.
    fn reference(&mut self) -> Result<(), &'static str> {
        let rest = &self.text[self.at + 1..];
        let name =
            |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
        let len = match rest.strip_prefix('{') {
            Some(braced) => match name(braced) {
                len if len > 0 && braced[len..].starts_with('}') => len + 2,
                _ => return Err("it does more than name a variable"),
            },
            None if rest.starts_with('(') => return Err("it runs a command"),
            None => name(rest),
        };
        if len == 0 {
            return Err("a `$` names nothing");
        }
        let mark =
            u32::try_from(self.references.len()).ok().and_then(|n| char::from_u32(FIRST_REFERENCE + n));
        self.value.push(mark.ok_or("it names too many variables")?);
        self.references.push(self.text[self.at..=self.at + len].to_owned());
        self.at += 1 + len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 1] = ["X"];

    proptest! {
        #[test]
        fn what_was_quoted_is_read_back(words in prop::collection::vec(r#"[a-z=,$`'\\.#;&()-]{1,9}|[a-z]=("[a-z ]{1,4}")"#, 0..6)) {
            let text = format!("A=1\nX={}\n# end\n", quote(&words));
            let found = assignments(&text, &NAMES).unwrap();
            prop_assert_eq!(&found[0].words, &words);
            prop_assert_eq!(rewritten(&text, &found), text);
        }

        #[test]
        fn no_text_panics(text in r#"(X=|["'\\$`{} \na-z;#]){0,12}"#) {
            let _ = assignments(&text, &NAMES);
        }
    }

    #[test]
    fn quotes_of_every_kind_are_understood() {
        let text = "X='a b'\n export X=\"$X c=\\\"d e\\\" ${Y}\" # why\nX=f\\ g\nXY=1\n#X=2\n";
        let mut found = assignments(text, &NAMES).unwrap();
        assert_eq!(found[0].words, ["a", "b"]);
        assert_eq!(found[1].words, ["\u{E000}", "c=\"d e\"", "\u{E001}"]);
        assert!(found[1].adds_to_itself() && !found[0].adds_to_itself());
        assert_eq!(found[2].words, ["f", "g"]);
        found[1].words.push("h".to_owned());
        assert_eq!(
            rewritten(text, &found[1..2]),
            "X='a b'\n export X=\"$X c=\\\"d e\\\" ${Y} h\" # why\nX=f\\ g\nXY=1\n#X=2\n"
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "X=$(cat f)",
            "X=`cat f`",
            "X=\"a\nb\"",
            "X='a\nb'",
            "X=a\\\nb",
            "X=a; Y=b",
            "[ -f a ] && X=b",
            "X+=a",
            "if true\nthen\nX=a\nfi",
            "X=${Y:-z}",
            "X=\"a",
        ] {
            assert!(assignments(bad, &NAMES).is_err(), "{bad}");
        }
    }
}
