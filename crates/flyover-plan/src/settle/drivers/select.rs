//! Selectors of devices.

use flyover_api::DeviceSelector;
use flyover_core::Refusal;
use flyover_core::facts::{HostFacts, PciDevice};

/// The devices a selector means: at least one.
pub(super) fn devices<'a>(
    facts: &'a HostFacts,
    select: &DeviceSelector,
    field: &str,
) -> Result<Vec<&'a PciDevice>, Vec<Refusal>> {
    let field = format!("{field}.select");
    if *select == DeviceSelector::default() {
        let refusal = Refusal::invalid(field, "nothing is selected");
        return Err(vec![refusal.hint("say at least one of address, vendor, device, class, name")]);
    }
    let mut refusals = Vec::new();
    let mut number = |name: &str, text: Option<&String>| {
        let number = text.map(|text| hex(text));
        if number == Some(None) {
            let what = format!("`{}` is not four hexadecimal digits", text.map_or("", String::as_str));
            refusals.push(Refusal::invalid(format!("{field}.{name}"), what).hint("for example: \"8086\""));
        }
        number.flatten()
    };
    let vendor = number("vendor", select.vendor.as_ref());
    let device = number("device", select.device.as_ref());
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let chosen: Vec<&PciDevice> = facts
        .pci
        .iter()
        .filter(|d| select.address.is_none_or(|address| d.address == address))
        .filter(|d| vendor.is_none_or(|vendor| d.id.vendor == vendor))
        .filter(|d| device.is_none_or(|device| d.id.device == device))
        .filter(|d| select.class.is_none_or(|class| d.class.starts_with(class)))
        .filter(|d| select.name.as_ref().is_none_or(|name| d.netdevs.iter().any(|dev| name.matches(dev))))
        .collect();
    if chosen.is_empty() {
        let refusal = Refusal::impossible(field, format!("there is no device with {}", name(select)));
        return Err(vec![refusal.hint("`flyover node inspect` lists the devices")]);
    }
    Ok(chosen)
}

fn hex(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let clean = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| clean)
}

/// A selector in words: `name ens1f*`, `vendor 8086, class 02`.
pub(super) fn name(select: &DeviceSelector) -> String {
    let fields = [
        ("address", select.address.map(|v| v.to_string())),
        ("vendor", select.vendor.clone()),
        ("device", select.device.clone()),
        ("class", select.class.map(|v| v.to_string())),
        ("name", select.name.as_ref().map(ToString::to_string)),
    ];
    let said = fields.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    said.collect::<Vec<_>>().join(", ")
}
