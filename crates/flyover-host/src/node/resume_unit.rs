//! The unit that goes on with a profile after the reboot it asked for.
//!
//! It starts the program in a unit of its own, for the program removes this one. It does not wait for that: who waits
//! while systemd reads its units anew may wait for ever.
//!
//! Invariant: its file and its enablement are steps like any other, so they are in the journal; the plan made after the
//! reboot does not wish for them, and that takes them away, as does a failure.

use std::path::Path;

use flyover_core::facts::Enablement;
use flyover_core::{
    Action, Disturbance, FileAt, FileMode, FileState, HostPath, Plan, Step, Subject, UnitName, UnitState,
};
use flyover_plan::{by_hand, plan_wishes};

use super::{How, Node, NodeError};
use crate::executor::{self, Order};
use crate::hands;
use crate::journal::GenerationState;
use crate::past::stands;
use crate::root::{HostError, HostRoot};
use crate::store::Held;

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

/// Whether a subject is the unit or its file.
fn is_ours(subject: &Subject) -> bool {
    subject.to_string().ends_with(UNIT)
}

/// Services wait for the unit to end, so it goes when all else is done.
pub(super) fn put_last(plan: &mut Plan) {
    let (ours, rest): (Vec<_>, Vec<_>) =
        plan.steps.drain(..).partition(|step| is_ours(&step.action.subject()));
    plan.steps = rest;
    plan.steps.extend(ours);
}

/// Takes it away by itself, where the rest of the plan cannot be carried out.
pub(super) fn take_away(node: &Node, held: &Held, how: &How<'_>) -> Result<(), NodeError> {
    let mut ledger = node.store.ledger()?;
    ledger.retain(|subject, _| is_ours(subject));
    let generations = held.generations()?;
    if ledger.is_empty() || generations.last().is_some_and(|last| last.state == GenerationState::Running) {
        return Ok(());
    }
    let plan = plan_wishes(&[], &node.facts(None)?, &executor::observe(&node.host, &[], &ledger)?, &ledger);
    let standing = generations.iter().rev().find(|generation| stands(generation));
    let profile = standing.map_or_else(|| serde_json::json!({}), |generation| generation.profile.clone());
    let order = Order { plan: &plan, profile, cause: how.cause, now: how.now.clone(), allow_reboot: false };
    executor::apply(held, &order)?;
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
         ExecStart=systemd-run --quiet --no-block --collect --service-type=oneshot --unit=flyover-node-resumed \\\n\
         \x20   --property=Before=kubelet.service --property=Before=openvswitch-switch.service \\\n\
         \x20   --property=Before=openvswitch.service \"{program}\" node apply --resume\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}
