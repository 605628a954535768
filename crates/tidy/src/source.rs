//! Rust source without its comments and, where only the product counts, without the tests at its end.
//!
//! This is no parser. It knows enough to judge formatted code: `cargo fmt --check` runs before it.

/// The lines of code with their numbers, comments cut off.
pub(crate) fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.split_once("//").map_or(line, |(code, _)| code)))
        .filter(|(_, line)| !line.trim().is_empty())
}

/// The same without the tests that close a module.
pub(crate) fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    code_lines(text).take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
}

/// Every path that the `use` items of the code bring in, groups spread out: `use std::{fs, io};` gives
/// `std::fs` and `std::io`. The number is that of the item's first line.
pub(crate) fn used_paths(text: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    let mut item: Option<(usize, String)> = None;
    for (number, line) in product_lines(text) {
        let line = line.trim();
        match &mut item {
            Some((_, text)) => text.push_str(line),
            None => {
                let start = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("use ");
                item = start.map(|path| (number, path.to_owned()));
            }
        }
        if let Some((number, text)) = item.take_if(|(_, text)| text.ends_with(';')) {
            paths.extend(spread(text.trim_end_matches(';')).into_iter().map(|path| (number, path)));
        }
    }
    paths
}

fn spread(tree: &str) -> Vec<String> {
    let Some((prefix, group)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let mut depth = 0_usize;
    let members = group.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    members
        .filter(|m| !m.trim().is_empty())
        .flat_map(|m| spread(m.trim()))
        .map(|m| format!("{}{m}", prefix.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_code_and_tests_are_no_product() {
        let text = "//! head\nlet a = 1; // why\n#[cfg(test)]\nmod tests {}\n";
        assert_eq!(product_lines(text).collect::<Vec<_>>(), [(2, "let a = 1; ")]);
        assert_eq!(code_lines(text).count(), 3);
    }

    #[test]
    fn groups_of_use_are_spread_over_lines_and_depths() {
        let text = "use std::fs;\npub use std::{\n    io,\n    net::{IpAddr, TcpStream},\n};\n";
        let paths: Vec<_> = used_paths(text).into_iter().map(|(n, p)| format!("{n} {p}")).collect();
        assert_eq!(paths, ["1 std::fs", "2 std::io", "2 std::net::IpAddr", "2 std::net::TcpStream"]);
    }
}
