//! Apt sources of another suite or architecture, made from the machine's own.
//!
//! Which mirror a machine uses, and which keys it trusts, is its administrator's choice: it is kept, and only
//! the suite's name changes, or what binds a source to the machine's architecture goes. Both forms are read:
//! `.sources` (deb822) and one line each (`sources.list`).

/// Which suites a private apt is to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want<'a> {
    /// The machine's own release with its updates and security.
    Own,
    /// The same for another architecture.
    Foreign,
    /// Another one instead.
    Other(&'a str),
}

/// The stanzas of a `.sources` file that serve the release `codename`, changed to what is wanted.
pub(super) fn from_deb822(text: &str, codename: &str, want: Want<'_>) -> String {
    let stanzas = text.split("\n\n").filter_map(|stanza| deb822_stanza(stanza, codename, want));
    stanzas.collect::<Vec<_>>().join("\n")
}

/// The lines of a `sources.list` that serve the release `codename`, changed to what is wanted.
pub(super) fn from_lines(text: &str, codename: &str, want: Want<'_>) -> String {
    text.lines().filter_map(|line| one_line(line.trim(), codename, want)).map(|line| line + "\n").collect()
}

fn deb822_stanza(stanza: &str, codename: &str, want: Want<'_>) -> Option<String> {
    let field = |name: &str| {
        let mut lines = stanza.lines().filter(|l| !l.starts_with('#'));
        lines.find_map(|l| l.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v))
    };
    let words = |name: &str| field(name).unwrap_or_default().split_whitespace();
    let suites: Vec<&str> = words("Suites").filter_map(|s| renamed(s, codename, want)).collect();
    let wanted =
        !suites.is_empty() && words("Components").any(|c| c == "main") && words("Types").any(|t| t == "deb");
    let changed = |line: &str| {
        let name = line.split(':').next().unwrap_or_default();
        if name.eq_ignore_ascii_case("Suites") {
            format!("Suites: {}\n", suites.join(" "))
        } else if want == Want::Foreign && name.eq_ignore_ascii_case("Architectures") {
            String::new()
        } else {
            format!("{line}\n")
        }
    };
    wanted.then(|| stanza.lines().filter(|l| !l.trim().is_empty()).map(changed).collect())
}

fn one_line(line: &str, codename: &str, want: Want<'_>) -> Option<String> {
    // Options in brackets may hold spaces, so they are cut off first.
    let rest = line.strip_prefix("deb ")?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(o, r)| (options(o, want), r))?,
        None => (String::new(), rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, renamed(words.next()?, codename, want)?);
    let components: Vec<&str> = words.collect();
    components.contains(&"main").then(|| format!("deb {options}{uri} {suite} {}", components.join(" ")))
}

/// What is said of a source in brackets, without the architecture it is for if that is to be another one.
fn options(all: &str, want: Want<'_>) -> String {
    let kept = |word: &&str| want != Want::Foreign || !word.starts_with("arch");
    let words: Vec<&str> = all.split_whitespace().filter(kept).collect();
    if words.is_empty() { String::new() } else { format!("[ {} ] ", words.join(" ")) }
}

/// What the suite is to be called, if it is one of the machine's release.
fn renamed<'a>(suite: &'a str, codename: &str, want: Want<'a>) -> Option<&'a str> {
    let suffix = suite.strip_prefix(codename)?;
    match want {
        Want::Own | Want::Foreign => ["", "-updates", "-security"].contains(&suffix).then_some(suite),
        Want::Other(other) => suffix.is_empty().then_some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "Types: deb\n# the main archive\nURIs: http://mirror.example/debian\nSuites: bookworm \
        bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: http://mirror.example/security\n\
        Suites: bookworm-security\nComponents: main\n\nTypes: deb\nURIs: http://other.example\nSuites: nodistro\n\
        Components: main\n";

    #[test]
    fn another_suite_takes_the_place_of_the_release_and_only_there() {
        let expected = "Types: deb\n# the main archive\nURIs: http://mirror.example/debian\nSuites: sid\n\
            Components: main\nSigned-By: /k.gpg\n";
        assert_eq!(from_deb822(DEB822, "bookworm", Want::Other("sid")), expected);
    }

    #[test]
    fn ones_own_suites_are_those_of_the_release() {
        let own = from_deb822(DEB822, "bookworm", Want::Own);
        let suites: Vec<_> = own.lines().filter(|l| l.starts_with("Suites")).collect();
        assert_eq!(suites, ["Suites: bookworm bookworm-updates", "Suites: bookworm-security"]);
    }

    #[test]
    fn lines_keep_their_options_and_foreign_archives_stay_out() {
        let list = "deb [ arch=amd64 signed-by=/k.gpg ] http://m.example/debian bookworm main contrib\n\
            # deb http://m.example/debian bookworm main\ndeb-src http://m.example/debian bookworm main\n\
            deb http://docker.example bookworm stable\ndeb http://m.example/pg bookworm-pgdg main\n";
        let sid = "deb [ arch=amd64 signed-by=/k.gpg ] http://m.example/debian sid main contrib\n";
        assert_eq!(from_lines(list, "bookworm", Want::Other("sid")), sid);
        assert_eq!(from_lines(list, "bookworm", Want::Own).lines().count(), 1);
    }

    #[test]
    fn for_another_architecture_a_source_is_bound_to_none() {
        let line = "deb [ arch=amd64 signed-by=/k.gpg ] http://m.example/debian bookworm main\n";
        let free = "deb [ signed-by=/k.gpg ] http://m.example/debian bookworm main\n";
        assert_eq!(from_lines(line, "bookworm", Want::Foreign), free);
        let bound = "Types: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\n";
        let stanza = format!("{bound}Architectures: amd64\n");
        assert_eq!(from_deb822(&stanza, "bookworm", Want::Foreign), bound);
        assert_eq!(from_deb822(&stanza, "bookworm", Want::Own), stanza);
    }
}
