//! Network attachments of the userspace plugin, and the pods beside them in a file.
//!
//! Invariant: what is printed as better is the same attachment to the same bridge, with nothing in it that a node's
//! administrator must decide.

use std::collections::BTreeSet;

use flyover_api::Tree;
use flyover_core::CNI_PLUGINS;
use serde::Serialize;

use super::{Finding, better, carrier, network};

/// What is wrong in a file, and what would be better.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Linted {
    /// What is wrong, in the order of the documents, the worst of each first.
    pub findings: Vec<Finding>,
    /// The better attachments, each as a document of YAML or, of bare configurations, JSON.
    pub better: Vec<String>,
}

/// Looks through the documents of a file.
#[must_use]
pub fn lint(documents: &[Tree]) -> Linted {
    let mut linted = Linted::default();
    let mut names = BTreeSet::new();
    for document in documents.iter().flat_map(members) {
        let before = linted.findings.len();
        match document.text(&["kind"]) {
            Some("NetworkAttachmentDefinition") => {
                attachment(document, &mut linted);
                let name = ["namespace", "name"].map(|field| document.text(&["metadata", field]));
                if !names.insert(name) {
                    let at = format!("attachment {}", name[1].unwrap_or("without a name"));
                    let what = "there is another one of that name before it, which it would replace";
                    linted.findings.push(Finding::error(at, what).hint("give it a name of its own"));
                }
            }
            Some(kind) => linted.findings.extend(carrier::check(document, kind)),
            None => {
                let configured = plugins("config", document, &mut linted.findings);
                linted.better.extend(configured.map(|better| better::json(&better)));
            }
        }
        linted.findings[before..].sort_by_key(|finding| finding.level);
    }
    if documents.is_empty() {
        linted.findings.push(Finding::error("file", "there is nothing in it"));
    }
    linted
}

/// The objects of a list, as `kubectl get` prints several, or the document itself.
fn members(document: &Tree) -> Vec<&Tree> {
    let is_list = document.text(&["kind"]).is_some_and(|kind| kind.ends_with("List"));
    if is_list { document.items(&["items"]).iter().collect() } else { vec![document] }
}

fn attachment(document: &Tree, linted: &mut Linted) {
    let name = document.text(&["metadata", "name"]).unwrap_or("without a name").to_owned();
    let at = format!("attachment {name}");
    linted.findings.extend(carrier::annotations(document, &at));
    let Some(text) = document.text(&["spec", "config"]).filter(|text| !text.trim().is_empty()) else {
        let what = "it has no `spec.config`: Multus looks for a file of that name on each node instead";
        linted.findings.push(Finding::error(at, what).hint("put the configuration into it"));
        return;
    };
    let config = match serde_json::from_str::<Tree>(text) {
        Ok(config) => config,
        Err(bad) => {
            linted.findings.push(Finding::error(at, format!("its configuration is not JSON: {bad}")));
            return;
        }
    };
    let configured = plugins(&at, &config, &mut linted.findings);
    linted.better.extend(configured.map(|config| better::attachment(document, &config)));
}

/// Looks at a configuration or at each of a list; the better one where there is one of ours.
fn plugins(at: &str, config: &Tree, findings: &mut Vec<Finding>) -> Option<Tree> {
    let listed = config.items(&["plugins"]);
    if listed.is_empty() {
        return plugin(at, config, findings);
    }
    let mut some = false;
    let better = listed.iter().enumerate().map(|(i, one)| {
        let better = plugin(&format!("{at}: plugins[{i}]"), one, findings);
        some |= better.is_some();
        better.unwrap_or_else(|| one.without_repeats())
    });
    let better: Vec<Tree> = better.collect();
    let mut list = config.without_repeats();
    list.set(&["plugins"], Tree::List(better));
    some.then_some(list)
}

fn plugin(at: &str, config: &Tree, findings: &mut Vec<Finding>) -> Option<Tree> {
    let kind = config.text(&["type"]);
    if !kind.is_some_and(|kind| CNI_PLUGINS.contains(&kind)) {
        let kind = kind.unwrap_or("nothing");
        let what = format!("its type is {kind}, which this does not know");
        findings.push(Finding::note(at, what).hint("the types looked at are userspace and flyover"));
        return None;
    }
    findings.extend(network::check(at, config));
    network::is_supported(config).then(|| better::config(config))
}
