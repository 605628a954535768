//! The unit that goes on with a profile after the reboot it asked for.
//!
//! It runs the program in a unit of its own, for the program stops and removes this one.
//!
//! Invariant: its file and its enablement are steps like any other, so they are in the journal; the plan made after the
//! reboot does not wish for them, and that takes them away.

use std::path::Path;

use flyover_core::facts::Enablement;
use flyover_core::{
    Action, Disturbance, FileAt, FileMode, FileState, HostPath, Plan, Step, UnitName, UnitState,
};
use flyover_plan::by_hand;

use crate::hands;
use crate::root::{HostError, HostRoot};

const UNIT: &str = "flyover-node-resume.service";

/// Puts the unit's steps before the plan's reboot.
pub(super) fn add(host: &HostRoot, plan: &mut Plan, program: &Path) -> Result<(), HostError> {
    let Some(at) = plan.steps.iter().position(|step| matches!(step.action, Action::Reboot(_))) else {
        return Ok(());
    };
    let path = HostPath::fixed(&format!("/etc/systemd/system/{UNIT}"));
    let unit: UnitName = UNIT.parse().expect("it is the name of a unit");
    let content = text(program).into();
    let mode = FileMode::new(0o644).expect("these are permissions");
    let file = FileState { content, mode, uid: 0, gid: 0 };
    let actions = [
        Action::File(FileAt { path, file: Some(file), dirs: Vec::new() }),
        Action::Unit(UnitState {
            unit,
            enablement: Enablement::Enabled,
            active: false,
            links: None,
            dirs: Vec::new(),
        }),
    ];
    for (offset, action) in actions.into_iter().enumerate() {
        let found = hands::of(&action).observe(host)?;
        let step = Step {
            by_hand: by_hand(&action, Some(&found)),
            found: Some(found),
            action,
            why: "it goes on with the profile after the reboot, and is taken away then".to_owned(),
            disturbs: Disturbance::None,
            after_reboot: false,
        };
        plan.steps.insert(at + offset, step);
    }
    Ok(())
}

fn text(program: &Path) -> String {
    // systemd takes `%` for a specifier, `$` for a variable and the quotes for its own.
    let program = program.display().to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    let program = program.replace('$', "$$");
    format!(
        "# Written by flyover for one reboot.\n\
         [Unit]\n\
         Description=Go on with the node profile after the reboot\n\
         After=systemd-udev-settle.service systemd-modules-load.service dbus.service\n\
         Before=kubelet.service openvswitch-switch.service openvswitch.service\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         ExecStart=systemd-run --quiet --wait --collect --service-type=oneshot --unit=flyover-node-resumed \"{program}\" node apply --resume\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}
