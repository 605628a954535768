//! What holds whichever lanes there are: who may write what, and how the command line speaks.

use std::fs;
use std::path::{Path, PathBuf};

use flyover_api::resource::NodeState;
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::stage::Stage;

/// With the token of the agent on a node, which somebody took from there, a node's state can be written, and another's cannot.
pub(crate) fn a_stolen_token_is_worth_one_node(stage: &Stage) {
    let of_node = "--field-selector=spec.nodeName=node1";
    let agents =
        ["get", "pod", "-n", "flyover-system", "-l", "app.kubernetes.io/name=flyover-agent", of_node];
    let agent = stage
        .cluster
        .kubectl(&[&agents[..], &["-o", "jsonpath={.items[0].metadata.name}"]].concat())
        .unwrap();
    let bound = ["--bound-object-kind=Pod", &format!("--bound-object-name={agent}")];
    let token = ["create", "token", "flyover-agent", "-n", "flyover-system"];
    let stolen =
        thief(stage, "stolen", stage.cluster.kubectl(&[&token[..], &bound].concat()).unwrap().trim());
    let forged = json!({"status": {"version": "forged"}});
    let written = write(&stolen, "node1", true, &forged).unwrap();
    assert_eq!(written.status.unwrap().version, "forged");
    let other = write(&stolen, "node2", true, &forged).unwrap_err();
    let why = "the agent on node \"node1\" may not write the NodeState of \"node2\"";
    assert!(other.contains(why), "{other}");
    // What a node is to have is nobody's but the operator's.
    let wish = write(&stolen, "node1", false, &json!({"spec": {"lanes": {}}})).unwrap_err();
    assert!(wish.contains("cannot patch resource"), "{wish}");
    // One of the account that is of no pod is of no node.
    let unbound = thief(stage, "unbound", stage.cluster.kubectl(&token).unwrap().trim());
    let anywhere = write(&unbound, "node1", true, &forged).unwrap_err();
    assert!(anywhere.contains("the agent on node \"\""), "{anywhere}");
}

/// A kubeconfig with nothing but a token.
fn thief(stage: &Stage, name: &str, token: &str) -> PathBuf {
    let view = stage.cluster.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]).unwrap();
    let mut config: Value = serde_json::from_str(&view).unwrap();
    config["users"][0]["user"] = json!({"token": token});
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.kubeconfig"));
    fs::write(&file, config.to_string()).unwrap();
    file
}

/// Not by kubectl, which reads before it writes: an agent has no right to that.
fn write(kubeconfig: &Path, node: &str, status: bool, what: &Value) -> Result<NodeState, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let file = Kubeconfig::read_from(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        let api: Api<NodeState> = Api::all(Client::try_from(config).unwrap());
        let (how, patch) = (PatchParams::default(), Patch::Merge(what));
        let written = if status {
            api.patch_status(node, &how, &patch).await
        } else {
            api.patch(node, &how, &patch).await
        };
        written.map_err(|error| error.to_string())
    })
}

/// A plan says what would be, and nothing is; a dry run installs nothing; what is wrong has a hint and a code of its own.
pub(crate) fn the_command_line_changes_nothing_unasked(stage: &Stage, folder: &Path) {
    let wish = folder.join("switch.yaml");
    fs::create_dir_all(folder).unwrap();
    fs::write(&wish, flyover_testkit::cluster::LANE).unwrap();
    let file = wish.display().to_string();
    let planned = stage.done(&["plan", "-f", &file]);
    // The nodes' agents say what it takes: what was looked at changed nothing.
    for word in [
        "NodeProfile/hugepages: 1 first",
        "  node1: gets it: 1 step; nothing that runs notices\n    hugepages 2M",
        "Switch/dpdk: 1 first",
        "  node2: gets it after NodeProfile/hugepages: as the node is now, ",
    ] {
        assert!(planned.contains(word), "{word}: {planned}");
    }
    assert!(!stage.done(&["plan", "-f", &file, "--ask=0"]).contains("1 step"));
    // What only a node can know.
    for (spec, code, word) in [
        (
            "kind: FastPath\nmetadata: {name: all}\nspec: {uplinks: [eth9]}\n",
            0,
            "there is no device eth9 now",
        ),
        (
            "kind: NodeProfile\nmetadata: {name: x}\nspec: {hugepages: {pages: [{size: 16G, count: 1}]}}\n",
            4,
            "and would refuse it as it is now: hugepages.pages[0]",
        ),
    ] {
        let other = folder.join("other.yaml");
        fs::write(&other, format!("apiVersion: flyover.dev/v1alpha1\n{spec}")).unwrap();
        let planned = stage.flyover(&["plan", "-f", &other.display().to_string()]);
        assert_eq!(
            (planned.status.code(), planned.stdout.matches(word).count()),
            (Some(code), 2),
            "{planned:?}"
        );
    }
    let told: Value = serde_json::from_str(&stage.done(&["plan", "-f", &file, "-o", "json"])).unwrap();
    let resources: Vec<&str> =
        told.as_array().unwrap().iter().filter_map(|one| one["resource"].as_str()).collect();
    assert_eq!(resources, ["NodeProfile/hugepages", "Switch/dpdk"]);
    assert_eq!(stage.cluster.kubectl(&["get", "switches,nodeprofiles", "-o", "name"]).unwrap(), "");

    fs::write(
        &wish,
        "apiVersion: flyover.dev/v1alpha1\nkind: FastPath\nmetadata: {name: x}\nspec: {leaseMs: 1}\n",
    )
    .unwrap();
    let refused = stage.flyover(&["plan", "-f", &file]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(refused.stderr.contains("leaseMs"), "{}", refused.stderr);

    let shown = stage.done(&["install", "--dry-run", "-o", "yaml", "-n", "elsewhere"]);
    assert!(shown.contains("namespace: elsewhere"), "{shown}");
    stage.done(&["install", "--dry-run=server"]);
    assert!(!stage.cluster.kubectl(&["get", "namespaces", "-o", "name"]).unwrap().contains("elsewhere"));

    for form in ["json", "yaml", "wide"] {
        assert!(!stage.done(&["status", "-o", form]).contains('\u{1b}'), "no colours where nobody looks");
    }
    let absent = stage.flyover(&["explain", "pod", "default/nobody"]);
    assert_eq!(absent.status.code(), Some(1), "{}", absent.stderr);
    assert!(absent.stderr.contains("nobody"), "{}", absent.stderr);
    let context = stage.flyover(&["status", "--context", "nowhere"]);
    assert!(!context.status.success() && context.stderr.contains("nowhere"), "{}", context.stderr);
    assert!(stage.done(&["generate", "completions", "bash"]).contains("flyover"));
}
