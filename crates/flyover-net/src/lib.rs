//! Network namespaces, links, routes, rule sets and their notifications.
