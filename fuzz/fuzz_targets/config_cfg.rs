//! Any text is a configuration or is refused line by line; what comes of it is a spec that reads as itself.
#![no_main]

use flyover_api::SwitchSpec;
use flyover_plan::switch::import::config_cfg;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let imported = config_cfg(text, None);
    let yaml = imported.spec.to_yaml();
    assert_eq!(SwitchSpec::from_yaml(&yaml).ok(), Some(imported.spec), "{yaml}");
});
