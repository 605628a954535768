//! Transmit offloads of a device, by the ethtool ioctl.

#![expect(unsafe_code, reason = "ethtool's ioctl takes a pointer in a union")]

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use flyover_core::IfName;

/// `ETHTOOL_STXCSUM`: set transmit checksumming.
const SET_TX_CHECKSUM: u32 = 0x17;
/// `ETHTOOL_GTXCSUM`: tell whether transmit checksumming is on.
const GET_TX_CHECKSUM: u32 = 0x16;

/// Why offloads could not be changed or read.
#[derive(Debug, thiserror::Error)]
#[error("failed to reach the transmit offloads of `{device}`")]
pub struct OffloadError {
    device: IfName,
    source: io::Error,
}

/// `struct ethtool_value` of `linux/ethtool.h`.
#[repr(C)]
struct EthtoolValue {
    cmd: u32,
    data: u32,
}

/// Makes the kernel compute the checksums of what a device of the calling thread's namespace sends. Segmentation
/// offload depends on them and goes too. As `ethtool -K DEVICE tx off`.
pub fn disable_transmit(device: &IfName) -> Result<(), OffloadError> {
    ethtool(device, SET_TX_CHECKSUM).map(|_| ())
}

/// Whether a device of the calling thread's namespace leaves the checksums of what it sends to the hardware.
pub fn transmit_checksum(device: &IfName) -> Result<bool, OffloadError> {
    ethtool(device, GET_TX_CHECKSUM).map(|value| value != 0)
}

/// Carries out a command with the value 0; what the kernel wrote there is the answer.
fn ethtool(device: &IfName, cmd: u32) -> Result<u32, OffloadError> {
    let failed = |source| OffloadError { device: device.clone(), source };
    let socket = UdpSocket::bind(("::", 0)).or_else(|_| UdpSocket::bind(("0.0.0.0", 0))).map_err(failed)?;
    let mut value = EthtoolValue { cmd, data: 0 };
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(device.as_str().bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    let mut request = libc::ifreq {
        ifr_name: name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut value).cast() },
    };
    // SAFETY: the request and the value it points to live until the call returns, the name is shorter than its
    // field (an `IfName` has at most 15 bytes) and so ends with a zero, and both commands know 8 bytes.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    if done == 0 { Ok(value.data) } else { Err(failed(io::Error::last_os_error())) }
}
