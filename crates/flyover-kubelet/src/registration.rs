//! Asks kubelet to take a resource, and says what its answer means.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Status};

use crate::name::ResourceName;
use crate::rpc;
use crate::service::WANTED;
use crate::state::Registration;
use crate::wire::device::{Empty, REGISTER, RegisterRequest, VERSION};

/// How long kubelet may take: it connects to us meanwhile, for which it gives itself 10 s.
const ANSWER: Duration = Duration::from_secs(20);

/// What is said of a resource whose socket is `endpoint`.
pub(crate) fn of(resource: &ResourceName, endpoint: &str) -> RegisterRequest {
    RegisterRequest {
        version: VERSION.to_owned(),
        endpoint: endpoint.to_owned(),
        resource_name: resource.to_string(),
        options: Some(WANTED),
    }
}

/// Asks the kubelet that answers at this socket.
pub(crate) async fn ask(kubelet: PathBuf, register: RegisterRequest) -> Result<(), Status> {
    let connected = timeout(ANSWER, rpc::connect(&kubelet)).await;
    let late = |_| Err(Status::deadline_exceeded("kubelet does not accept a connection"));
    let Empty {} = rpc::ask(connected.unwrap_or_else(late)?, REGISTER, register, ANSWER).await?;
    Ok(())
}

/// What an error means: kubelet's own words are a refusal, everything else is that it is not there.
pub(crate) fn standing(status: &Status) -> Registration {
    let transport = std::error::Error::source(status).is_some();
    let message = status.message().to_owned();
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
            Registration::Waiting { why: message }
        }
        _ if transport => Registration::Waiting { why: message },
        _ => Registration::Refused { reason: message },
    }
}
