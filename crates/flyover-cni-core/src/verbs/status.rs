//! STATUS: would an ADD have a chance now?

use crate::error::{CniError, Code};
use crate::ipam;
use crate::lot::Call;
use crate::netconf::Wish;
use crate::request::{CniArgs, Verb};
use crate::state::Ipam;
use crate::version::Version;
use crate::{sockets, switch};

/// Fails with 50 or 51 if it would not.
pub(super) fn status(call: Call<'_>) -> Result<(), CniError> {
    let version = call.network.version;
    if version < Version::V110 {
        return Err(CniError::new(Code::Version, format!("version {version} of CNI has no STATUS")));
    }
    call.network.good_ipam()?;
    let wish = Wish::of(&call.network.raw, &CniArgs::default())?;
    sockets::check_root(&call.node.socket_root).map_err(|error| {
        CniError::new(Code::Unavailable, format!("nothing can be attached: {}", error.msg))
            .details(error.details)
    })?;
    switch::status(call.node, Some(&wish))?;
    let Some(plugin) = &call.network.ipam else { return Ok(()) };
    let path = if call.node.ipam_path.is_empty() { &call.request.path } else { &call.node.ipam_path };
    let ipam = Ipam {
        plugin: plugin.clone(),
        path: path.clone(),
        args: String::new(),
        configuration: call.network.raw.clone(),
        refused: false,
    };
    ipam::forward(&ipam, Verb::Status)
}
