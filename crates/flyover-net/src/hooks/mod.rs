//! Which netfilter hooks are registered in the calling thread's network namespace.
//!
//! A pod with hooks of its own judges its packets where no bypass program may skip it, and a node without a
//! conntrack hook has no books to keep. Newer kernels list their hooks (5.14, `CONFIG_NETFILTER_NETLINK_HOOK`); for
//! others the list is inferred from the rule sets that are loaded.

mod parse;

use std::fmt;

pub use parse::parse;

use crate::nl::{NlError, Request, Talk};
use crate::ruleset::{Family, Hook, RulesetError, legacy, nft};

/// `NFNL_SUBSYS_HOOK`, `NFNL_MSG_HOOK_GET`.
const GET_HOOKS: u16 = 12 << 8;
/// `NFNLA_HOOK_HOOKNUM`.
const NUMBER: u16 = 1;
/// Family and number of hooks each. Hooks of single devices are not asked for: they are not known by family.
const LISTS: [(u8, u32); 4] = [(2, 5), (10, 5), (7, 6), (3, 3)];

/// A registered hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Whose packets it sees.
    pub family: Family,
    /// Where it hangs.
    pub hook: Hook,
    /// Lower comes first.
    pub priority: i32,
    /// What it runs.
    pub owner: Owner,
}

/// What a hook runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A function of the kernel or of a module.
    Function {
        /// Its name.
        name: String,
        /// Its module, if it is in one.
        module: Option<String>,
    },
    /// A base chain of nf_tables.
    Chain {
        /// Its table.
        table: String,
        /// Its name.
        chain: String,
    },
    /// A table of legacy xtables.
    Legacy {
        /// Its name.
        table: String,
    },
}

/// The hooks of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// All that are known.
    pub registered: Vec<Registered>,
    /// Whether the kernel itself listed them; else they were inferred, and those that are not rules are missing.
    pub listed: bool,
}

impl Hooks {
    /// Reads them from the kernel, or infers them.
    pub fn read() -> Result<Self, RulesetError> {
        match list() {
            Ok(registered) => Ok(Self { registered, listed: true }),
            Err(error) if error.is_absent() => Ok(Self { registered: inferred()?, listed: false }),
            Err(error) => Err(RulesetError::Nft(error)),
        }
    }

    /// Whether connections are tracked, as far as the hooks tell: an inferred list does not have that hook.
    #[must_use]
    pub fn track_connections(&self) -> Option<bool> {
        let tracks =
            |r: &Registered| matches!(&r.owner, Owner::Function { name, .. } if name.contains("conntrack"));
        self.listed.then(|| self.registered.iter().any(tracks))
    }
}

impl Registered {
    /// Whether a security module hung it into every namespace there is, to label or check packets.
    #[must_use]
    pub fn is_of_security_module(&self) -> bool {
        let Owner::Function { name, .. } = &self.owner else { return false };
        ["selinux_", "smack_", "apparmor_"].iter().any(|prefix| name.starts_with(prefix))
    }
}

impl fmt::Display for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.family.name(), self.hook.name())?;
        match &self.owner {
            Owner::Function { name, .. } => write!(f, "function {name}"),
            Owner::Chain { table, chain } => write!(f, "table {table} chain {chain}"),
            Owner::Legacy { table } => write!(f, "legacy table {table}"),
        }
    }
}

fn list() -> Result<Vec<Registered>, NlError> {
    const WHAT: &str = "netfilter hooks";
    let mut talk = Talk::open(libc::NETLINK_NETFILTER, WHAT)?;
    let mut all = Vec::new();
    for (family, count) in LISTS {
        for number in 0..count {
            let request = Request::dump(GET_HOOKS, &[family, 0, 0, 0]).attr(NUMBER, &number.to_be_bytes());
            talk.ask(WHAT, &request, |message| {
                all.extend(parse(message.body)?);
                Ok(())
            })?;
        }
    }
    Ok(all)
}

fn inferred() -> Result<Vec<Registered>, RulesetError> {
    let chains = nft::base_chains().map_err(RulesetError::Nft)?.into_iter();
    let chains = chains.map(|(family, table, chain, base)| Registered {
        family,
        hook: base.hook,
        priority: base.priority,
        owner: Owner::Chain { table, chain },
    });
    let tables = legacy::read()?.into_iter();
    let tables = tables.flat_map(|table| {
        let bases = table.chains.into_iter().filter_map(|chain| chain.base);
        let registered = bases.map(|base| Registered {
            family: table.family,
            hook: base.hook,
            priority: base.priority,
            owner: Owner::Legacy { table: table.name.clone() },
        });
        registered.collect::<Vec<_>>()
    });
    Ok(chains.chain(tables).collect())
}

#[cfg(test)]
mod root {
    use super::*;
    use crate::testing::Room;

    /// Rules show as hooks whether the kernel lists hooks or they are inferred.
    fn rules_in(script: &str) -> Vec<String> {
        let room = Room::new("hooks");
        room.sh(script);
        let hooks = room.run(|| Hooks::read().unwrap());
        let rules = hooks.registered.iter().filter(|r| !matches!(r.owner, Owner::Function { .. }));
        rules.map(ToString::to_string).collect()
    }

    #[test]
    fn a_fresh_namespace_has_no_rules_and_asking_makes_none() {
        let room = Room::new("hooks");
        let ask = || Hooks::read().unwrap().registered;
        assert_eq!(room.run(ask), []);
        assert_eq!(room.run(|| legacy::names(Family::Ip).unwrap()), [""; 0]);
    }

    #[test]
    fn a_base_chain_of_nf_tables_is_a_hook() {
        let script = "nft 'add table inet t; add chain inet t c { type filter hook forward priority -5; }'";
        assert_eq!(rules_in(script), ["inet forward table t chain c"]);
    }

    #[test]
    fn a_legacy_table_is_a_hook_at_each_of_its_chains() {
        assert_eq!(
            rules_in("iptables-legacy -t raw -A PREROUTING -j ACCEPT"),
            ["ip prerouting legacy table raw", "ip output legacy table raw"]
        );
    }
}
