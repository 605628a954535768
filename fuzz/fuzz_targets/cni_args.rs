//! Whatever `CNI_ARGS` and the other variables hold: what is taken can be a part of a path, and nothing panics.

#![no_main]

use flyover_cni_core::request::{CniArgs, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(args) = text.parse::<CniArgs>() {
        let uid = args.pod_uid.as_ref().map(|uid| uid.as_str());
        assert!(uid.is_none_or(|uid| !uid.is_empty() && !uid.contains(['/', '.', '\n'])));
        let _pod = args.pod();
    }
    // The same text as every variable: the lines are CNI_COMMAND, CNI_CONTAINERID, CNI_IFNAME, CNI_NETNS.
    let names = ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS"];
    let line = |name: &str| text.lines().nth(names.iter().position(|known| *known == name)?).map(str::to_owned);
    if let Ok(Request { of: Some(of), .. }) = Request::read(line) {
        assert!(!of.container.as_str().contains('/') && !of.ifname.as_str().contains('/'));
        assert!(!of.container.short().is_empty());
    }
});
