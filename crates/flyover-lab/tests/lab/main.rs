//! Labs that are really built, by root, and what can be reached in them.

mod root;
