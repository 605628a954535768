//! The custom resources' specs, as people write them, and the schema of each.
