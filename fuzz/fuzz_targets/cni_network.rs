//! Whatever a network's configuration holds: it is read or refused, and what is read leads nowhere it may not.

#![no_main]

use flyover_cni_core::Version;
use flyover_cni_core::netconf::{Network, Wish};
use flyover_cni_core::request::CniArgs;
use flyover_cni_core::result::CniResult;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Ok(network) = Network::parse(text) else { return };
    assert!(!network.name.as_str().contains(['/', '\n', ' ']));
    let _valid = network.valid();
    if let Ok(wish) = Wish::of(&network.raw, &CniArgs::default()) {
        let names = [Some(&wish.bridge), wish.socketfile.as_ref(), wish.ovn_port.as_ref()];
        for name in names.into_iter().flatten() {
            assert!(name.as_str().len() <= 63 && !name.as_str().contains(['/', '\\', '\n', ' ']));
            assert!(!name.as_str().starts_with(['-', '.']));
        }
    }
    if let Ok(Some(result)) = network.previous() {
        for version in Version::ALL {
            let written = result.render(version);
            let again = CniResult::parse(&written).expect("what is written can be read");
            assert_eq!(again.render(version), written);
        }
    }
});
