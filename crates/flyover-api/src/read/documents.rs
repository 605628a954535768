//! Documents of any kind, as they stand in files for kubectl.

use serde_saphyr::Options;

use super::{BadSpec, Kind, bad};
use crate::Tree;

const ANY: Kind = Kind { name: "document", word: "document", explain: "flyover --help" };

/// Reads JSON, or all documents of a file of YAML; empty ones are none.
pub fn documents(text: &str) -> Result<Vec<Tree>, BadSpec> {
    // JSON may have tabs, which YAML has not.
    if let Ok(tree) = serde_json::from_str::<Tree>(text) {
        return Ok(vec![tree]);
    }
    let mut options = Options::default();
    options.with_snippet = false;
    let documents: Vec<Tree> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| bad(&error, ANY))?;
    Ok(documents.into_iter().filter(|document| *document != Tree::Null).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_each_document_of_yaml_are_read() {
        let json = "{\n\t\"a\": 1\n}";
        assert_eq!(documents(json).unwrap().len(), 1);
        let yaml = "---\na: 1\n---\n# nothing\n---\nb: |\n  {\n  \t\"x\": 1 }\n";
        let read = documents(yaml).unwrap();
        assert_eq!(read.len(), 2, "{read:?}");
        assert_eq!(read[1].text(&["b"]), Some("{\n\t\"x\": 1 }\n"));
        assert!(documents("a: [").is_err());
    }
}
