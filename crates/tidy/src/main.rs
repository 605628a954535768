//! Holds the arrows of the house, module heads, file sizes, licences.

fn main() {}
