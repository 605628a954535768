//! What a file holds: text where it is text, so that journals and plans can be read by people.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The content of a file. Written as a string where it is UTF-8, else as `{"base64": …}`.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Bytes(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Coded { base64: String },
}

impl Bytes {
    /// The text, where it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<Bytes> for Written {
    fn from(bytes: Bytes) -> Self {
        String::from_utf8(bytes.0)
            .map_or_else(|not_text| Self::Coded { base64: STANDARD.encode(not_text.as_bytes()) }, Self::Text)
    }
}

impl TryFrom<Written> for Bytes {
    type Error = base64::DecodeError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Text(text) => Ok(Self(text.into_bytes())),
            Written::Coded { base64 } => STANDARD.decode(base64).map(Self),
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => fmt::Debug::fmt(text, f),
            None => write!(f, "{} bytes", self.0.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn any_content_survives_writing_and_reading(bytes in any::<Vec<u8>>(), text in any::<String>()) {
            for content in [Bytes(bytes), Bytes::from(text)] {
                let written = serde_json::to_string(&content)?;
                prop_assert_eq!(serde_json::from_str::<Bytes>(&written)?, content);
            }
        }
    }

    #[test]
    fn text_is_written_as_text() {
        assert_eq!(serde_json::to_string(&Bytes::from("a\n")).unwrap(), r#""a\n""#);
        assert_eq!(serde_json::to_string(&Bytes(vec![0xff])).unwrap(), r#"{"base64":"/w=="}"#);
    }
}
