//! Whether Flyover may be installed into a namespace: an uninstall removes it, and two installations would share one cluster.

use flyover_render::install::{INSTALLED, Installation, selector};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Namespace, PodTemplateSpec};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};

use super::super::seen::list;
use super::super::told;
use crate::cli::fault::{Exit, Fault};

/// An error where it may not.
pub(super) async fn check(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let there = Api::<Namespace>::all(client.clone()).get_opt(namespace).await;
    let there =
        there.map_err(|error| told::error(&format!("failed to look at namespace `{namespace}`"), error))?;
    let agents: Vec<DaemonSet> =
        list(client, "the agents", &ListParams::default().labels(&selector())).await?;
    let installed: Vec<String> = agents.iter().filter_map(ResourceExt::namespace).collect();
    verdict(namespace, there.as_ref(), &installed).map_or(Ok(()), |fault| Err(fault.into()))
}

/// What an installation over another one would run instead: a person who only meant to repair it named no image.
pub(super) async fn other_images(client: &Client, wanted: &Installation) -> anyhow::Result<Vec<String>> {
    let ours = ListParams::default().labels(&selector());
    let operators: Vec<Deployment> = list(client, "the operator", &ours).await?;
    let agents: Vec<DaemonSet> = list(client, "the agents", &ours).await?;
    let operators = operators.iter().filter_map(|of| image(&of.spec.as_ref()?.template));
    let agents = agents.iter().filter_map(|of| image(&of.spec.as_ref()?.template));
    let operators = operators.filter_map(|is| differs("operator", &is, &wanted.image_operator));
    let agents = agents.filter_map(|is| differs("agent", &is, &wanted.image_agent));
    Ok(operators.chain(agents).collect())
}

fn image(template: &PodTemplateSpec) -> Option<String> {
    template.spec.as_ref()?.containers.first()?.image.clone()
}

fn differs(whose: &str, is: &str, wanted: &str) -> Option<String> {
    let keep = format!("`--image-{whose} {is}` keeps it");
    (is != wanted).then(|| format!("the {whose}'s image was {is} and becomes {wanted}; {keep}"))
}

/// `installed` are the namespaces that have agents of ours.
fn verdict(namespace: &str, there: Option<&Namespace>, installed: &[String]) -> Option<Fault> {
    if let Some(other) = installed.iter().find(|other| *other != namespace) {
        let what = format!("Flyover is installed in namespace {other} already, and a cluster has one");
        return Some(Fault::new(Exit::Failed, what).hint(format!(
            "`kubectl flyover install -n {other}` changes that one; `kubectl flyover uninstall` removes it"
        )));
    }
    let foreign = there.filter(|there| !there.labels().contains_key(INSTALLED.0))?;
    let name = foreign.name_any();
    let what = format!("namespace {name} is there, and is not Flyover's: an uninstall would remove it");
    Some(Fault::new(Exit::Failed, what).hint(format!(
        "name one that is not there, or give this one away: `kubectl label namespace {name} {}={}`",
        INSTALLED.0, INSTALLED.1
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_namespace_of_somebody_else_and_a_second_one_are_refused() {
        let namespace = |labels: serde_json::Value| -> Namespace {
            serde_json::from_value(json!({"metadata": {"name": "a", "labels": labels}})).unwrap()
        };
        let ours = namespace(json!({"flyover.dev/installed": "true"}));
        let theirs = namespace(json!({"app.kubernetes.io/part-of": "flyover"}));
        let refused = |there: Option<&Namespace>, installed: &[&str]| {
            let installed: Vec<String> = installed.iter().map(|name| (*name).to_owned()).collect();
            verdict("a", there, &installed).map(|fault| fault.to_string())
        };
        assert_eq!((refused(None, &[]), refused(Some(&ours), &["a"])), (None, None));
        let foreign = refused(Some(&theirs), &[]).unwrap();
        assert!(foreign.contains("namespace a is there, and is not Flyover's"), "{foreign}");
        let second = refused(None, &["b"]).unwrap();
        assert!(second.contains("installed in namespace b already"), "{second}");
    }

    #[test]
    fn an_image_that_would_be_another_one_is_named_with_what_keeps_it() {
        assert_eq!(differs("agent", "a:1", "a:1"), None);
        let told = "the agent's image was reg/a:1 and becomes a:1; `--image-agent reg/a:1` keeps it";
        assert_eq!(differs("agent", "reg/a:1", "a:1").as_deref(), Some(told));
    }
}
