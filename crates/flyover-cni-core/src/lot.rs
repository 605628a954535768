//! All that an ADD will make, decided before any of it is made.
//!
//! Invariant: what can be refused is refused here: a field, a place outside of what the node allows, a path too long for a
//! socket, a group or a plugin that is not there. What is decided is the state that is written first.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use flyover_core::OvsName;

use crate::error::{CniError, Code};
use crate::files::{Beneath, LONGEST_SOCKET};
use crate::names::{Attachment, AttachmentId};
use crate::netconf::{Mode, Network, Wish};
use crate::node::{Node, is_straight};
use crate::request::{CniArgs, Of, Pod, Request};
use crate::state::{Broker, Ipam, Phase, Port, SCHEMA, Sockets, Source, State, boot};
use crate::{group, ipam, legacy, sockets};

/// What a runtime asks for, and where.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What the node allows.
    pub node: &'a Node,
    /// The network.
    pub network: &'a Network,
    /// What is asked.
    pub request: &'a Request,
}

/// What an ADD will make.
pub fn planned(call: Call<'_>) -> Result<State, CniError> {
    let Call { node, network, request } = call;
    let args: CniArgs = request.raw_args.parse()?;
    let wish = Wish::of(&network.raw, &args)?;
    let mut state = presumed(call, request.of()?);
    let id = state.id();
    allowed(node, &wish)?;
    sockets::check_root(&node.socket_root)?;
    network.good_ipam()?;
    if let Some(ipam) = &state.ipam {
        ipam::find(&ipam.plugin, &ipam.path)?;
    }
    let group = wish.group.as_ref().or(node.group.as_ref());
    let (name, file) = names(&state.attachment, &id, &wish)?;
    state.sockets = Sockets {
        root: node.socket_root.clone(),
        source: source(node, &wish, args.pod().as_ref(), &state.attachment)?,
        group: group.map_or(Ok(0), |name| group::id_of(&node.root, name))?,
        broker: (wish.mode == Mode::Server).then(broker).transpose()?,
        file: Some(file.clone()),
        inode: None,
    };
    let directory =
        if state.sockets.broker.is_some() { state.sockets.back(&id) } else { state.sockets.front(&id) };
    let server_path = directory.join(file.as_str());
    for path in [&server_path, &state.sockets.front(&id).join(file.as_str())] {
        fits(path)?;
    }
    state.device_info = network.device_info().map(|path| device_info(node, path)).transpose()?;
    state.pod = args.pod();
    state.port = Some(Port { name, wish, server_path });
    state.publish = legacy::publication(node, &state);
    Ok(state)
}

/// A broker of this very program.
fn broker() -> Result<Broker, CniError> {
    let program = std::env::current_exe();
    let program =
        program.map_err(|e| CniError::new(Code::Io, "failed to find our own program").because(&e))?;
    Ok(Broker { program, ..Broker::default() })
}

/// What may be there of an attachment of which only the runtime's names are known.
#[must_use]
pub fn presumed(call: Call<'_>, of: &Of) -> State {
    let Call { node, network, request } = call;
    let path = if node.ipam_path.is_empty() { &request.path } else { &node.ipam_path };
    let attachment = Attachment {
        network: network.name.clone(),
        container: of.container.clone(),
        ifname: of.ifname.clone(),
    };
    let ipam = network.ipam.as_ref().map(|plugin| Ipam {
        plugin: plugin.clone(),
        path: path.clone(),
        args: request.raw_args.clone(),
        configuration: network.raw.clone(),
        refused: false,
    });
    let mut state = bare(node, attachment);
    state.netns = of.netns.clone();
    state.ipam = ipam;
    state
}

/// An attachment of which nothing but its names is known.
#[must_use]
pub fn bare(node: &Node, attachment: Attachment) -> State {
    State {
        schema: SCHEMA,
        attachment,
        phase: Phase::Adding,
        began: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        boot: boot(),
        netns: None,
        pod: None,
        port: None,
        database: node.database.clone(),
        sockets: Sockets {
            root: node.socket_root.clone(),
            file: None,
            source: None,
            inode: None,
            group: 0,
            // There may be one that nobody wrote down.
            broker: Some(Broker::default()),
        },
        ipam: None,
        device_info: None,
        result: None,
        publish: None,
    }
}

fn allowed(node: &Node, wish: &Wish) -> Result<(), CniError> {
    let refused = |what: String| {
        Err(CniError::new(Code::Config, format!("{what} is not allowed on this node"))
            .details("hint: the node's configuration, /etc/flyover/cni.json, says what is"))
    };
    if !node.bridges.is_empty() && !node.bridges.iter().any(|bridge| bridge == wish.bridge.as_str()) {
        return refused(format!("bridge `{}`", wish.bridge));
    }
    // Whoever has a logical port gets what is meant for it.
    if let Some(port) = wish.ovn_port.as_ref().filter(|_| !node.ovn_ports) {
        return refused(format!("ovnPort `{port}`"));
    }
    if let Some(mtu) = wish.mtu.filter(|mtu| *mtu > node.max_mtu) {
        return refused(format!("mtu {mtu}, above maxMtu {},", node.max_mtu));
    }
    match &wish.group {
        Some(group) if !node.groups.contains(group) && node.group.as_ref() != Some(group) => {
            refused(format!("vhost.group `{}`", group.escape_default()))
        }
        _ => Ok(()),
    }
}

/// The names of the port and of the socket. Those of the plugin before us, unless the interface's name cannot be in them.
fn names(attachment: &Attachment, id: &AttachmentId, wish: &Wish) -> Result<(OvsName, OvsName), CniError> {
    let short = format!("{}-", attachment.container.short());
    let usual = format!("{short}{}", attachment.ifname);
    let port: OvsName = usual
        .parse()
        .unwrap_or_else(|_| id.as_str().parse().expect("sixteen hexadecimal digits are a name in a switch"));
    let file = wish.socketfile.clone().unwrap_or_else(|| port.clone());
    if file != port && file.as_str().starts_with(&short) {
        return Err(CniError::new(
            Code::Config,
            format!("vhost.socketfile `{file}` is the name of another interface's socket"),
        ));
    }
    Ok((port, file))
}

/// The directory in which the pod finds its sockets: what the network says, else the pod's volume, if it has one.
fn source(
    node: &Node,
    wish: &Wish,
    pod: Option<&Pod>,
    attachment: &Attachment,
) -> Result<Option<Source>, CniError> {
    if let Some(base) = &wish.shared_dir {
        // As one text however it is written: two that are one place are told by it.
        let base: PathBuf = Path::new(base).components().collect();
        let prefix = node.shared_dirs.iter().find(|prefix| base.starts_with(prefix));
        let Some(prefix) = prefix.filter(|_| is_straight(&base)) else {
            return Err(CniError::new(
                Code::Config,
                "sharedDir is not below a directory that this node allows",
            )
            .details("hint: sharedDirs in the node's configuration, /etc/flyover/cni.json"));
        };
        let name = attachment.container.short().parse().map_err(|bad| {
            CniError::new(Code::Environment, "the container's id cannot name a directory").because(&bad)
        })?;
        return Ok(Some(Source::Shared { prefix: Some(prefix.clone()), base, name }));
    }
    let Some(uid) = pod.and_then(|pod| pod.uid.as_ref()) else { return Ok(None) };
    let path =
        Path::new("pods").join(uid.as_str()).join("volumes/kubernetes.io~empty-dir").join(&node.pod_volume);
    let opened = Beneath::open(&node.kubelet_root).and_then(|kubelet| kubelet.below(&path));
    match opened {
        Ok(_) => Ok(Some(Source::Volume { kubelet: node.kubelet_root.clone(), path })),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => {
            let at = node.kubelet_root.join(&path);
            Err(CniError::new(
                Code::Socket,
                format!("the pod's volume `{}` is no plain directory", at.display()),
            )
            .because(&e))
        }
    }
}

fn fits(path: &Path) -> Result<(), CniError> {
    let length = path.as_os_str().len();
    if length <= LONGEST_SOCKET {
        return Ok(());
    }
    Err(CniError::new(
        Code::Config,
        format!("the socket's path has {length} bytes, and {LONGEST_SOCKET} are the most"),
    )
    .details(format!(
        "`{}`; hint: a shorter socketRoot on this node, or a shorter socketfile",
        path.display()
    )))
}

/// Where the device-info file lies below the node's directory for them: among those of CNI, not of device plugins.
pub(crate) fn device_info(node: &Node, path: &str) -> Result<PathBuf, CniError> {
    let below = Path::new(path).strip_prefix(&node.device_info_dir).ok();
    let good = |below: &&Path| {
        let among = below.starts_with("cni") && below.components().count() > 1;
        among && is_straight(&Path::new("/").join(below))
    };
    below.filter(good).map(Path::to_owned).ok_or_else(|| {
        CniError::new(Code::Config, "CNIDeviceInfoFile is not below the node's directory for them")
            .details(format!("that is `{}`", node.device_info_dir.join("cni").display()))
    })
}
