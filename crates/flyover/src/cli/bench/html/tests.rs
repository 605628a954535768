//! A made-up comparison, for tests and for looking at.

use std::collections::BTreeMap;

use flyover_latency::compare::Rounds;

use super::*;

/// Times around a median with a tail, always the same.
fn times(median: f64, tail: f64) -> Rounds {
    let cdf = (0..=200).map(|i| {
        let q = f64::from(i) / 200.0;
        [median * (0.93 + 0.12 * q) + (tail - median) * q.powi(60), q]
    });
    let around = |x: f64| [0.99, 1.01, 1.0].map(|f| x * f).to_vec();
    Rounds { p50: around(median), p99: around(tail), n: 60_000, cdf: cdf.collect() }
}

fn rates(rate: f64) -> Rounds {
    let p50 = [0.98, 1.0, 1.02].map(|f| rate * f).to_vec();
    Rounds { p99: Vec::new(), n: 3, cdf: p50.iter().map(|v| [*v, 1.0]).collect(), p50 }
}

pub(in super::super) fn report() -> Report {
    let case = |name: &str, values: [Rounds; 5]| {
        let rounds: BTreeMap<_, _> = PathName::ALL.into_iter().zip(values).collect();
        CaseReport::new(name.parse().unwrap(), &rounds, (1, 0))
    };
    let latency = |factor: f64| {
        [
            (16_300.0, 25_400.0),
            (15_900.0, 25_000.0),
            (8_080.0, 9_000.0),
            (8_700.0, 9_700.0),
            (6_980.0, 7_900.0),
        ]
        .map(|(p50, p99)| times(p50 * factor, p99 * factor))
    };
    Report {
        cases: vec![
            case("tcp-64", latency(1.0)),
            case("udp-64", latency(0.93)),
            case("tcp-64-clusterip", latency(1.02)),
            case("bulk-tcp", [12.3e9, 12.1e9, 14.8e9, 14.9e9, 16.6e9].map(rates)),
            case("crr", [6138.0, 6839.0, 7497.0, 11_849.0, 17_391.0].map(rates)),
        ],
        kernel: "6.18.0".to_owned(),
        cpu: "A Processor".to_owned(),
        versions: BTreeMap::from([("flyover".to_owned(), "0.1.0".to_owned())]),
        command_line: "flyover bench compare --lab <lab>".to_owned(),
        date: "2026-11-21T09:00:00Z".to_owned(),
        rounds: 3,
        cpus: [1, 0],
    }
}

#[test]
fn the_page_needs_nothing_from_anywhere_else() {
    let page = render(&report()).unwrap();
    for outside in ["http://", "https://", "src=", "@import", "url(", "<script"] {
        let found = page.replace("http://www.w3.org/2000/svg", "").contains(outside);
        assert!(!found, "{outside}");
    }
    assert!(page.contains("--lab &lt;lab&gt;"), "what was typed is escaped");
}

#[test]
fn times_have_a_distribution_and_rates_have_bars_only() {
    let page = render(&report()).unwrap();
    assert_eq!((page.matches("<section>").count(), page.matches("<svg").count()), (5, 3));
}

#[test]
fn no_colour_is_fixed_in_a_drawing() {
    let page = render(&report()).unwrap();
    let drawings: String = page.split("<svg").skip(1).filter_map(|s| s.split("</svg>").next()).collect();
    assert!(!drawings.contains("\"#"), "{}", &drawings[drawings.find("\"#").unwrap_or(0)..][..80]);
}

/// The declarations of a style sheet, whatever they apply to.
fn declarations(css: &str) -> impl Iterator<Item = (&str, &str)> {
    css.split(['{', '}', ';'])
        .filter_map(|text| text.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
}

#[test]
fn nothing_in_the_page_is_wider_than_a_phone() {
    let page = render(&report()).unwrap();
    assert!(page.contains("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"));
    for (name, value) in declarations(STYLE) {
        let pixels = value.strip_suffix("px").and_then(|number| number.parse::<u32>().ok());
        assert!(!name.ends_with("width") || pixels.is_none_or(|n| n <= 320), "{name}: {value}");
        // Columns may be as narrow as the page.
        assert!(
            name != "grid-template-columns"
                || !value.contains("minmax(")
                || value.contains("min(100%")
                || value.contains("minmax(0")
        );
    }
    // A drawing has a shape, and takes what width there is.
    for drawing in page.split("<svg").skip(1).filter_map(|text| text.split('>').next()) {
        assert!(drawing.contains("viewBox=") && !drawing.contains("width="), "{drawing}");
    }
    assert!(STYLE.contains("figure svg { display: block; width: 100%; height: auto; }"));
}

#[test]
fn on_paper_it_is_dark_on_white_and_no_case_is_torn_apart() {
    let (_, print) = STYLE.split_once("@media print {").unwrap();
    let print = print.split_once("\n}\n").unwrap().0;
    for rule in ["--paper: #ffffff", "--ink: #000000", "break-inside: avoid", "print-color-adjust: exact"] {
        assert!(print.contains(rule), "{rule}");
    }
}
