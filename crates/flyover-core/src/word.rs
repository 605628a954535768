//! What every word has in common: its form in documents is its text.

/// Lets serde read a word by its `FromStr` and write it by its `Display`, together with
/// `#[serde(try_from = "String", into = "String")]`.
macro_rules! string_form {
    ($($word:ty, $bad:ty);+) => {$(
        impl TryFrom<String> for $word {
            type Error = $bad;

            fn try_from(s: String) -> Result<Self, $bad> {
                s.parse()
            }
        }

        impl From<$word> for String {
            fn from(word: $word) -> Self {
                word.to_string()
            }
        }
    )+};
}

pub(crate) use string_form;

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use crate::{ArgEdit, CpuSet, HugepageCount, HugepageSize, KernelArgs, Kib, NumaNode, PciAddr, UnitName};

    fn reads_as<T: Serialize + DeserializeOwned + PartialEq + Debug>(written: &str, printed: &str) {
        let word: T = serde_json::from_str(written).unwrap();
        assert_eq!(serde_json::to_string(&word).unwrap(), printed);
        assert_eq!(serde_json::from_str::<T>(printed).unwrap(), word);
    }

    #[test]
    fn a_word_stands_in_documents_as_its_text_and_an_amount_as_a_number() {
        reads_as::<PciAddr>(r#""06:00.1""#, r#""0000:06:00.1""#);
        reads_as::<CpuSet>(r#""3,2,1""#, r#""1-3""#);
        reads_as::<HugepageSize>(r#""1Gi""#, r#""1G""#);
        reads_as::<HugepageCount>(r#""1:40,0:24""#, r#""0:24,1:40""#);
        reads_as::<UnitName>(r#""kubelet""#, r#""kubelet.service""#);
        reads_as::<KernelArgs>(r#""ro  quiet""#, r#""ro quiet""#);
        reads_as::<ArgEdit>(r#"{"set":["iommu=pt"]}"#, r#"{"set":["iommu=pt"],"unset":[]}"#);
        reads_as::<Kib>("1024", "1024");
        reads_as::<NumaNode>("1", "1");
    }

    #[test]
    fn a_bad_word_in_a_document_is_named_with_what_is_expected() {
        let error = serde_json::from_str::<PciAddr>(r#""eth0""#).unwrap_err().to_string();
        assert!(error.starts_with("`eth0` is not a PCI address (expected e.g. 0000:06:00.1)"), "{error}");
    }
}
