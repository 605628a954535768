//! What the API server, or the way to it, said: in words that tell what to do.

use kube::core::Status;

use crate::cli::fault::{Exit, Fault};

/// The error of an attempt to do something.
pub(super) fn error(doing: &str, error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => refused(doing, &status).into(),
        kube::Error::Service(cause) => unreached(doing, &innermost(cause.as_ref())).into(),
        kube::Error::HyperError(cause) => unreached(doing, &innermost(&cause)).into(),
        kube::Error::Auth(cause) => Fault::new(Exit::Failed, format!("{doing}: {cause}"))
            .hint("the kubeconfig's way to get credentials failed; try it with kubectl")
            .into(),
        other => Fault::new(Exit::Failed, format!("{doing}: {}", innermost(&other))).into(),
    }
}

fn refused(doing: &str, status: &Status) -> Fault {
    // A field that the schema does not know comes as a failure of the server's own.
    let ours = [400, 422].contains(&status.code) || status.message.contains("typed patch object");
    let exit = if ours { Exit::Usage } else { Exit::Failed };
    let fault = Fault::new(exit, format!("{doing}: {}", status.message));
    match status.code {
        401 => fault.hint("the credentials of the kubeconfig are not, or no longer, known to this cluster"),
        403 => fault.hint("the right that is missing is the one named; a cluster administrator can give it"),
        // A kind that is not defined is a path that is not there.
        404 if status.message.contains("could not find the requested resource")
            || status.message.contains("page not found") =>
        {
            fault.hint("Flyover is not installed in this cluster: `kubectl flyover install`")
        }
        409 => fault.hint("somebody else wrote at the same time; try again"),
        _ => fault,
    }
}

fn unreached(doing: &str, cause: &str) -> Fault {
    let hint = if cause.contains("certificate") {
        "the server's certificate is not signed by the authority that the kubeconfig names"
    } else {
        "is this the right cluster (`kubectl config current-context`), and is its API server up?"
    };
    Fault::new(Exit::Failed, format!("{doing}: the API server does not answer: {cause}")).hint(hint)
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// Whether the thing that was asked for, or its kind, is not there.
pub(super) fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_is_missing_is_named_with_where_to_get_it() {
        let status = Status {
            code: 403,
            message: "nodes is forbidden: User \"x\" cannot list".into(),
            ..Status::default()
        };
        let said = error("failed to list nodes", kube::Error::Api(status.boxed()));
        assert_eq!(said.to_string(), "failed to list nodes: nodes is forbidden: User \"x\" cannot list");
    }
}
