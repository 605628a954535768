//! When a node gets a change: the machine that the operator runs for each resource, as a function from what is known to what can
//! be done now.

mod view;

pub use view::{Abandoned, Act, NodeView, Place, PodView, ResourceView, View};
