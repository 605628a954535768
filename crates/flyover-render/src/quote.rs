//! Text within text: for the shell, for its here-documents, and for URLs.

use std::fmt::Write as _;

pub(crate) use flyover_plan::shell::word as sh;

use flyover_plan::shell;

/// The command that writes `text`, byte for byte, to the file `path`: a here-document where text ends as one does.
pub(crate) fn sh_write(path: &str, text: &str) -> String {
    let path = sh(path);
    if text.contains('\0') {
        // No word of a shell holds a zero, but printf makes one.
        let format = text.replace('\\', r"\\").replace('%', "%%").replace('\0', r"\000");
        return format!("printf {} >{path}\n", sh(&format));
    }
    if !text.ends_with('\n') {
        return format!("printf %s {} >{path}\n", sh(text));
    }
    let end = shell::delimiter("END", text);
    format!("cat >{path} <<'{end}'\n{text}{end}\n")
}

/// `text` as a URL (RFC 2397): readable where it is plain, and exact everywhere.
pub(crate) fn data_url(text: &str) -> String {
    let mut url = "data:,".to_owned();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            write!(url, "%{byte:02X}").expect("a string takes all that is written");
        }
    }
    url
}

/// `text` as lines of comment.
pub(crate) fn comment(text: &str) -> String {
    let lines = text
        .split(['\n', '\r'])
        .map(|line| if line.is_empty() { "#\n".to_owned() } else { format!("# {line}\n") });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads one word as a POSIX shell does, without expansions: quotes only.
    fn unquoted(word: &str) -> String {
        let (mut text, mut chars, mut quoted) = (String::new(), word.chars(), false);
        while let Some(c) = chars.next() {
            match c {
                '\'' => quoted = !quoted,
                '\\' if !quoted => text.extend(chars.next()),
                c => {
                    assert!(quoted || !" \t\n$`\"&|;<>()*?[]#~!{}".contains(c), "{c:?} is special");
                    text.push(c);
                }
            }
        }
        assert!(!quoted, "a quote is open");
        text
    }

    fn decoded(url: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = url.strip_prefix("data:,").unwrap().as_bytes();
        while let Some((byte, behind)) = rest.split_first() {
            rest = behind;
            if *byte == b'%' {
                let hex = std::str::from_utf8(&rest[..2]).unwrap();
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
                rest = &rest[2..];
            } else {
                bytes.push(*byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn any_text_survives_the_shell(text in r#"(?s)[a '"\\$`\n]{0,12}|.{0,20}"#) {
            prop_assert_eq!(unquoted(&sh(&text)), text);
        }

        #[test]
        fn any_text_survives_a_url(text in "(?s).{0,40}") {
            prop_assert_eq!(decoded(&data_url(&text)), text);
        }

        #[test]
        fn any_text_survives_being_written(lines in proptest::collection::vec("END[0-9]?|[a-z'$]{0,5}", 0..6), open: bool) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let text = if open { format!("{text}x") } else { text };
            let script = sh_write("/a b", &text);
            if let Some(rest) = script.strip_prefix("cat >'/a b' <<'") {
                let (end, rest) = rest.split_once("'\n").unwrap();
                let body = rest.strip_suffix(&format!("{end}\n")).unwrap();
                prop_assert_eq!(body, &text);
                prop_assert!(body.lines().all(|line| line != end));
            } else {
                let word = script.strip_prefix("printf %s ").unwrap().strip_suffix(" >'/a b'\n").unwrap();
                prop_assert_eq!(unquoted(word), text);
            }
        }
    }

    #[test]
    fn a_zero_is_made_by_printf() {
        assert_eq!(sh_write("/a", "50%\\\0"), "printf '50%%\\\\\\000' >/a\n");
    }

    #[test]
    fn a_plain_word_stays_plain() {
        assert_eq!(sh("isolcpus=2-3,26-27"), "isolcpus=2-3,26-27");
        assert_eq!(sh(""), "''");
        assert_eq!(sh("it's"), r"'it'\''s'");
    }
}
