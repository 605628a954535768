//! Metrics as text, read and held against the conventions of Prometheus and the rules of OpenMetrics.

use std::collections::{BTreeMap, BTreeSet};

/// What was read: series and their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exposition {
    values: BTreeMap<String, f64>,
}

/// A family whose samples are being read.
#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: Option<String>,
}

/// Words that may only end a name.
const UNITS: [&str; 5] = ["bytes", "packets", "cycles", "seconds", "ratio"];
/// Units that are not base ones.
const NOT_BASE: [&str; 7] = ["percent", "share", "ms", "milliseconds", "kb", "mib", "megabytes"];

impl Exposition {
    /// Reads the body of an answer. What Prometheus or a reader of its conventions would object to fails.
    pub(crate) fn read(text: &str) -> Self {
        let (text, end) = text.split_at(text.find("# EOF\n").expect("it has an end"));
        assert_eq!(end, "# EOF\n", "nothing comes after the end");
        let (mut read, mut families, mut family) = (Self::default(), BTreeSet::new(), Family::default());
        for line in text.lines() {
            match line.strip_prefix("# ").map(|rest| rest.splitn(3, ' ').collect::<Vec<_>>()) {
                Some(words) if words[0] == "HELP" => {
                    assert!(families.insert(words[1].to_owned()), "two families of one name: {line}");
                    assert!(words[2].len() > 10, "it says little: {line}");
                    family = Family { name: words[1].to_owned(), kind: None };
                    good_name(&family.name);
                }
                Some(words) if words[0] == "TYPE" => {
                    assert_eq!((words[1], &family.kind), (family.name.as_str(), &None), "{line}");
                    family.kind = Some(words[2].to_owned());
                }
                Some(_) => panic!("neither help nor type: {line}"),
                None => read.take(line, &family),
            }
        }
        read
    }

    fn take(&mut self, line: &str, family: &Family) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let kind = family.kind.as_deref().expect("a type comes first");
        let wanted = if kind == "counter" { format!("{}_total", family.name) } else { family.name.clone() };
        assert_eq!(name, wanted, "a sample of another family, or a counter that is not called total: {line}");
        assert!(!labels.contains("=\"\"") && !series.ends_with("{}"), "a label that says nothing: {line}");
        let value: f64 = value.parse().unwrap();
        assert!(value >= 0.0 && (kind == "gauge" || value.fract() == 0.0), "{line}");
        assert!(!name.ends_with("_ratio") || value <= 1.0, "{line}");
        assert!(self.values.insert(series.to_owned(), value).is_none(), "twice: {line}");
    }

    /// What a series says.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        self.values.get(series).copied()
    }

    /// The series of a name, and what they say.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let is_of = move |series: &str| series.split('{').next() == Some(name);
        self.values
            .iter()
            .filter(move |(series, _)| is_of(series))
            .map(|(series, value)| (series.as_str(), *value))
    }
}

fn good_name(name: &str) {
    assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
    let words: Vec<&str> = name.split('_').collect();
    assert!(!words.iter().any(|word| NOT_BASE.contains(word)), "{name} has no base unit");
    assert!(!matches!(words.last(), Some(&("total" | "count" | "sum" | "bucket"))), "{name}");
    let before_last = &words[..words.len() - 1];
    assert!(!before_last.iter().any(|word| UNITS.contains(word)), "a unit stands at the end: {name}");
}

#[test]
fn what_is_in_order_is_read_and_what_is_not_is_refused() {
    let good =
        "# HELP a_bytes Bytes that came.\n# TYPE a_bytes counter\na_bytes_total{port=\"x\"} 7\n# EOF\n";
    assert_eq!(Exposition::read(good).value("a_bytes_total{port=\"x\"}"), Some(7.0));
    let bad = [
        good.replace("a_bytes_total", "a_bytes"),
        good.replace("a_bytes", "a_bytes_in"),
        good.replace("a_bytes", "a_ms"),
        good.replace("# EOF\n", "a_bytes_total{port=\"x\"} 8\n# EOF\n"),
        good.replace("# EOF\n", &format!("{}# EOF\n", &good[..26])),
        good.replace("7\n", "7.5\n"),
        good.replace("\"x\"", "\"\""),
        good.replace("# TYPE a_bytes counter\n", ""),
    ];
    for text in bad {
        assert!(std::panic::catch_unwind(|| Exposition::read(&text)).is_err(), "{text}");
    }
}
