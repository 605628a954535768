//! What the programs cost the verifier, and so roughly how long their longest paths are: growth should show.

use std::collections::BTreeMap;

use flyover_fastpath::Hook;
use libbpf_rs::Program;
use libbpf_rs::query::ProgInfoIter;

use crate::lane::Lane;

/// The most instructions the verifier may look at: 1.3 times what it does today on 6.1 or on 6.18,
/// whichever looks at more.
const MOST: [(Hook, &str, u32); 4] = [
    (Hook::FromPod, "from_pod", 45_000),
    (Hook::ToPod, "to_pod", 87_000),
    (Hook::FromWire, "from_wire", 112_000),
    (Hook::ToWire, "to_wire", 197_000),
];

#[test]
fn the_verifier_looks_at_no_more_instructions_than_was_said() {
    let lane = Lane::new();
    let verified: BTreeMap<u32, u32> = ProgInfoIter::default().map(|p| (p.id, p.verified_insns)).collect();
    println!("{:10} {:>9} {:>9}", "program", "verified", "at most");
    let counts = MOST.map(|(hook, name, most)| {
        let insns = verified[&Program::id_from_fd(lane.programs.program(hook)).expect("it is loaded")];
        println!("{name:10} {insns:>9} {most:>9}");
        (name, insns, most)
    });
    for (name, insns, most) in counts {
        assert!(insns <= most, "{name} takes {insns} instructions to verify, and {most} were said");
    }
}
