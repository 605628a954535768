//! A switch: its daemons, its options, its bridges and ports.

use flyover_core::{Action, OvsBridge, OvsDaemons, OvsOption, OvsPort, OvsRestart};

use super::Hand;
use crate::root::{HostError, HostRoot};

impl Hand for OvsDaemons {
    fn check(&self, _host: &HostRoot) -> Result<(), HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn observe(&self, _host: &HostRoot) -> Result<Action, HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn holds(&self, _host: &HostRoot) -> Result<bool, HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn act(&self, _host: &HostRoot) -> Result<(), HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }
}

impl Hand for OvsOption {
    fn check(&self, _host: &HostRoot) -> Result<(), HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn observe(&self, _host: &HostRoot) -> Result<Action, HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn holds(&self, _host: &HostRoot) -> Result<bool, HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn act(&self, _host: &HostRoot) -> Result<(), HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }
}

impl Hand for OvsRestart {
    fn check(&self, _host: &HostRoot) -> Result<(), HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn observe(&self, _host: &HostRoot) -> Result<Action, HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn holds(&self, _host: &HostRoot) -> Result<bool, HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn act(&self, _host: &HostRoot) -> Result<(), HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }
}

impl Hand for OvsBridge {
    fn check(&self, _host: &HostRoot) -> Result<(), HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn observe(&self, _host: &HostRoot) -> Result<Action, HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn holds(&self, _host: &HostRoot) -> Result<bool, HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn act(&self, _host: &HostRoot) -> Result<(), HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }
}

impl Hand for OvsPort {
    fn check(&self, _host: &HostRoot) -> Result<(), HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn observe(&self, _host: &HostRoot) -> Result<Action, HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn holds(&self, _host: &HostRoot) -> Result<bool, HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }

    fn act(&self, _host: &HostRoot) -> Result<(), HostError> {
        Err(HostError::Unsupported("hands of switches are being written".to_owned()))
    }
}
