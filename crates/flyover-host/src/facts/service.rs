//! Units of systemd, all by one question.

use std::collections::BTreeMap;
use std::time::Duration;

use flyover_core::UnitName;
use flyover_core::facts::{Enablement, ServiceFacts};

use crate::root::HostRoot;

/// Services that disturb a fast datapath, or that it must know of.
pub const WELL_KNOWN: [&str; 11] = [
    "chronyd",
    "chrony",
    "ntpd",
    "ntp",
    "ntpsec",
    "systemd-timesyncd",
    "irqbalance",
    "tuned",
    "kubelet",
    "openvswitch-switch",
    "openvswitch",
];

/// The properties that are asked for.
pub const PROPERTIES: &str = "--property=Id,LoadState,UnitFileState,ActiveState,Type,FragmentPath,Names";

/// How long systemd may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// The units in question: the well-known ones, then those asked for.
fn units(asked: &[UnitName]) -> Vec<UnitName> {
    let known = WELL_KNOWN.iter().map(|name| name.parse().expect("a well-known name is a name"));
    let mut units: Vec<UnitName> = known.collect();
    for unit in asked {
        if !units.contains(unit) {
            units.push(unit.clone());
        }
    }
    units
}

/// The arguments of `systemctl` by which units are asked for.
#[must_use]
pub fn question(asked: &[UnitName]) -> Vec<String> {
    let mut args = vec!["show".to_owned(), PROPERTIES.to_owned()];
    args.extend(units(asked).iter().map(ToString::to_string));
    args
}

/// Reads the well-known units that are there, and all that are asked for.
pub(super) fn read(host: &HostRoot, asked: &[UnitName]) -> BTreeMap<UnitName, ServiceFacts> {
    let ask = |asked: &[UnitName]| {
        let args = question(asked);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Some((units(asked), host.ask("systemctl", &args, LIMIT).ok()?))
    };
    // A record of another host may hold no answer about the units asked for, but one about the others.
    let Some((units, answer)) = ask(asked).or_else(|| ask(&[])) else {
        tracing::warn!("systemd does not tell of its units");
        return BTreeMap::new();
    };
    let found = units.into_iter().zip(parse(&answer));
    found
        .filter_map(|(unit, facts)| Some((unit, facts?)))
        .filter(|(unit, facts)| facts.enablement != Enablement::NotFound || asked.contains(unit))
        .collect()
}

/// Blocks of `KEY=VALUE`, one for each unit in the order asked, with a blank line between two.
fn parse(answer: &str) -> Vec<Option<ServiceFacts>> {
    answer.trim().split("\n\n").map(parse_block).collect()
}

/// What systemd shows of one unit: its own name, whether it starts at boot, whether it runs, its file.
pub(crate) fn parse_block(block: &str) -> Option<ServiceFacts> {
    let values: BTreeMap<&str, &str> = block.lines().filter_map(|line| line.split_once('=')).collect();
    let value = |key: &str| values.get(key).copied().unwrap_or_default();
    let enablement = match (value("LoadState"), value("UnitFileState")) {
        ("not-found", _) => Enablement::NotFound,
        ("masked", "" | "masked") => Enablement::Masked,
        // A unit that has no file of its own: somebody made it by a message.
        (_, "") => Enablement::Other("transient".to_owned()),
        (_, state) => state.to_owned().into(),
    };
    let active = match value("ActiveState") {
        "active" | "reloading" | "refreshing" => true,
        // A oneshot that is at work is on its way to being inactive.
        "activating" => value("Type") != "oneshot",
        _ => false,
    };
    let fragment = value("FragmentPath").parse().ok();
    Some(ServiceFacts { unit: value("Id").parse().ok()?, enablement, active, fragment })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_answer_is_read_without_a_panic(answer in "([A-Za-z]*=?[ -~]*\n?\n?){0,20}") {
            parse(&answer);
        }
    }

    #[test]
    fn an_alias_tells_the_units_own_name() {
        let answer = "Id=chrony.service\nNames=chrony.service chronyd.service\nLoadState=loaded\n\
                      ActiveState=active\nUnitFileState=enabled\nFragmentPath=/lib/systemd/system/chrony.service\n\n\
                      Id=ntpd.service\nLoadState=not-found\nActiveState=inactive\nFragmentPath=\nUnitFileState=\n";
        let [chrony, ntpd]: [_; 2] = parse(answer).try_into().unwrap();
        let (chrony, ntpd) = (chrony.unwrap(), ntpd.unwrap());
        assert_eq!(chrony.unit.as_str(), "chrony.service");
        assert_eq!((chrony.enablement, chrony.active), (Enablement::Enabled, true));
        assert_eq!(chrony.fragment.unwrap().as_str(), "/lib/systemd/system/chrony.service");
        assert_eq!((ntpd.enablement, ntpd.active, ntpd.fragment), (Enablement::NotFound, false, None));
    }

    #[test]
    fn every_unit_is_asked_for_once() {
        let asked = ["tuned", "mine"].map(|name| name.parse().unwrap());
        let question = question(&asked);
        assert_eq!(question.iter().filter(|arg| *arg == "tuned.service").count(), 1);
        assert_eq!(question.last().unwrap(), "mine.service");
    }
}
