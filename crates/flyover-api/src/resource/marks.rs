//! Marks and names that operator, agents, what is installed and the command line have in common.

/// On a node: for whom the operator cordoned it.
pub const CORDONED_FOR: &str = "flyover.dev/cordoned-for";
/// On a resource: nodes that its deletion does not wait for.
pub const ABANDON_NODES: &str = "flyover.dev/abandon-nodes";
/// Holds a resource until its nodes are clean.
pub const CLEAN_NODES: &str = "flyover.dev/clean-nodes";
/// Where Flyover's own objects are, unless another namespace is asked for.
pub const NAMESPACE: &str = "flyover-system";
/// Where the operator tells its health and its metrics.
pub const OPERATOR_PORT: u16 = 9470;
