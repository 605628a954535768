//! `CNI_ARGS`: what Multus and the kubelet say about the pod.
//!
//! Invariant: what stands here came through the environment of a runtime that root started, but parts of it were chosen by
//! whoever made the pod; so each value has a grammar, and none decides about more than this attachment.

use std::str::FromStr;

use flyover_core::{MacAddr, OvsName};
use serde::{Deserialize, Serialize};

use crate::error::{CniError, Code};
use crate::names::{PodName, PodUid};

/// What `CNI_ARGS` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CniArgs {
    /// The pod's namespace.
    pub pod_namespace: Option<PodName>,
    /// The pod's name.
    pub pod_name: Option<PodName>,
    /// The pod's uid.
    pub pod_uid: Option<PodUid>,
    /// The Ethernet address the pod is to have.
    pub mac: Option<MacAddr>,
    /// The logical port of OVN that this is.
    pub ovn_port: Option<OvsName>,
}

/// The pod an attachment is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// `namespace/name`, as far as known.
    pub name: String,
    /// Its uid, where it was told.
    pub uid: Option<PodUid>,
}

impl CniArgs {
    /// The pod, if one was named.
    #[must_use]
    pub fn pod(&self) -> Option<Pod> {
        let part = |name: &Option<PodName>| name.as_ref().map(ToString::to_string).unwrap_or_default();
        if self.pod_name.is_none() && self.pod_uid.is_none() {
            return None;
        }
        let name = format!("{}/{}", part(&self.pod_namespace), part(&self.pod_name));
        Some(Pod { name, uid: self.pod_uid.clone() })
    }
}

impl FromStr for CniArgs {
    type Err = CniError;

    fn from_str(s: &str) -> Result<Self, CniError> {
        let mut args = Self::default();
        let pairs: Vec<(&str, &str)> =
            s.split(';').filter(|pair| !pair.is_empty()).map(pair).collect::<Result<_, _>>()?;
        let ignore =
            pairs.iter().any(|(key, value)| *key == "IgnoreUnknown" && matches!(*value, "1" | "true"));
        for (at, (key, value)) in pairs.iter().enumerate() {
            // Multus says all of the runtime's again, and one of it in another word.
            let differs = |(before, said): &(&str, &str)| before == key && said != value;
            if *key != "IgnoreUnknown" && pairs[..at].iter().any(differs) {
                return Err(bad(format!("CNI_ARGS names `{}` twice, and differently", key.escape_default())));
            }
            match *key {
                "IgnoreUnknown" | "K8S_POD_INFRA_CONTAINER_ID" => {}
                "K8S_POD_NAMESPACE" => args.pod_namespace = Some(word(key, value)?),
                "K8S_POD_NAME" => args.pod_name = Some(word(key, value)?),
                "K8S_POD_UID" if value.is_empty() => {}
                "K8S_POD_UID" => args.pod_uid = Some(word(key, value)?),
                "MAC" => args.mac = Some(word(key, value)?),
                "OvnPort" => args.ovn_port = Some(word(key, value)?),
                _ if ignore => {}
                _ => {
                    let key: String = key.chars().take(64).flat_map(char::escape_default).collect();
                    return Err(bad(format!(
                        "CNI_ARGS holds `{key}`, which we do not know, and not IgnoreUnknown=1"
                    )));
                }
            }
        }
        Ok(args)
    }
}

fn pair(text: &str) -> Result<(&str, &str), CniError> {
    text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
        let text: String = text.chars().take(64).flat_map(char::escape_default).collect();
        bad(format!("`{text}` of CNI_ARGS is no KEY=VALUE"))
    })
}

fn word<T: FromStr<Err: std::error::Error>>(key: &str, value: &str) -> Result<T, CniError> {
    value.parse().map_err(|error| bad(format!("{key} of CNI_ARGS is malformed")).because(&error))
}

fn bad(msg: String) -> CniError {
    CniError::new(Code::Environment, msg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_multus_says_names_the_pod() {
        let args: CniArgs =
            "IgnoreUnknown=true;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p.0;K8S_POD_INFRA_CONTAINER_ID=x;\
             K8S_POD_UID=5b3f-1"
                .parse()
                .unwrap();
        let pod = Pod { name: "ns/p.0".into(), uid: Some("5b3f-1".parse().unwrap()) };
        assert_eq!(args.pod(), Some(pod));
        assert_eq!("".parse::<CniArgs>().unwrap().pod(), None);
        let again: CniArgs =
            "IgnoreUnknown=1;K8S_POD_NAME=p.0;IgnoreUnknown=true;K8S_POD_NAME=p.0".parse().unwrap();
        assert_eq!(again.pod_name.unwrap().to_string(), "p.0");
    }

    #[test]
    fn forged_values_are_refused() {
        for forged in [
            "K8S_POD_UID=../../etc",
            "K8S_POD_UID=a/b",
            "K8S_POD_NAME=a\nb",
            "K8S_POD_NAMESPACE=--",
            "K8S_POD_UID=a;K8S_POD_UID=b",
            "MAC=zz",
            "novalue",
            "=x",
            "Unknown=1",
        ] {
            assert_eq!(forged.parse::<CniArgs>().unwrap_err().code, 4, "{forged:?}");
        }
        assert_eq!("IgnoreUnknown=1;Unknown=1".parse::<CniArgs>(), Ok(CniArgs::default()));
    }
}
