//! Text within scripts of a POSIX shell.

/// `text` as one word, in quotes only where it needs some.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=,+@%-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What ends a here-document that holds `text`: `end`, or `end` with a number where that is a line of the text.
#[must_use]
pub fn delimiter(end: &str, text: &str) -> String {
    let taken = |word: &String| text.lines().any(|line| line == word);
    let mut words = (0..).map(|n| if n == 0 { end.to_owned() } else { format!("{end}{n}") });
    words.find(|word| !taken(word)).expect("a text has fewer lines than there are numbers")
}
