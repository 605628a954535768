//! What `flyover lab` prints for people.

use std::io::Write;

use comfy_table::{Table, presets};
use flyover_lab::status::{DeviceStatus, LabStatus, ServiceStatus};

/// Prints a line. A reader that went away, such as `head`, wants no more: that is no error.
pub(super) fn line(text: &str) {
    _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a lab.
pub(super) fn print(lab: &LabStatus) {
    line(&format!("lab {}: {}", lab.name, if lab.up { "up" } else { "not all up" }));
    line(&devices(lab).trim_fmt());
    if !lab.services.is_empty() {
        line(&services(&lab.services).trim_fmt());
        line(&format!("and {} dummy services", lab.dummy_services));
    }
}

fn devices(lab: &LabStatus) -> Table {
    let mut table = plain(&["PLACE", "NAMESPACE", "DEVICE", "KIND", "STATE", "MTU", "ADDRESSES"]);
    for netns in &lab.namespaces {
        if netns.devices.is_empty() {
            table.add_row([netns.place.as_str(), &netns.name, "", "", "missing", "", ""]);
        }
        for device in &netns.devices {
            let state = if device.up { "up" } else { "down" };
            let mtu = device.mtu.to_string();
            table.add_row([
                netns.place.as_str(),
                &netns.name,
                device.name.as_str(),
                &kind(device),
                state,
                &mtu,
                &joined(&device.addresses),
            ]);
        }
    }
    table
}

fn services(services: &[ServiceStatus]) -> Table {
    let mut table = plain(&["SERVICE", "ADDRESSES", "PORTS", "BACK ENDS"]);
    for service in services {
        let ports = service.ports.join(" ");
        table.add_row([&service.name, &joined(&service.addresses), &ports, &joined(&service.backends)]);
    }
    table
}

fn kind(device: &DeviceStatus) -> String {
    match &device.bridge {
        Some(bridge) => format!("{} of {bridge}", device.kind),
        None => device.kind.clone(),
    }
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}
