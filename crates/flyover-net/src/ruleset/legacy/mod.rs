//! Legacy xtables: `iptables-legacy` and `ip6tables-legacy`, as the kernel hands out whole tables.
//!
//! Invariant: a table is asked for only if `/proc/net/ip_tables_names` lists it; the kernel would make it otherwise.

mod parse;

use std::fs;
use std::io;

pub use parse::parse;

use super::model::Family;
use super::{RulesetError, Table};
use crate::nl::{Malformed, ne32};
use crate::sys;

/// `IPT_SO_GET_INFO`, `IPT_SO_GET_ENTRIES`; the same for IPv6.
const GET_INFO: libc::c_int = 64;
const GET_ENTRIES: libc::c_int = 65;
/// Lengths of `struct ipt_getinfo` and of the head of `struct ipt_get_entries`.
const INFO_LEN: usize = 84;
const ENTRIES_HEAD: usize = 40;
/// No kernel hands out more; a larger number is a mistake.
const MOST: usize = 512 << 20;

/// How often a table that changes while it is read is read again.
const TRIES: u32 = 10;

/// The names of the tables that the calling thread's namespace has.
pub fn names(family: Family) -> io::Result<Vec<String>> {
    let path = match family {
        Family::Ip6 => "/proc/thread-self/net/ip6_tables_names",
        _ => "/proc/thread-self/net/ip_tables_names",
    };
    match fs::read_to_string(path) {
        Ok(names) => Ok(names.lines().map(str::to_owned).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// Reads every table that is there.
pub fn read() -> Result<Vec<Table>, RulesetError> {
    let mut tables = Vec::new();
    for family in [Family::Ip, Family::Ip6] {
        let fail = |source| RulesetError::Legacy { table: format!("{} tables", family.name()), source };
        for name in names(family).map_err(fail)? {
            let fail = |source| RulesetError::Legacy { table: format!("{} {name}", family.name()), source };
            let (info, entries) = fetch(family, &name).map_err(fail)?;
            let table = parse(family, &info, &entries);
            tables.push(table.map_err(|source| fail(io::Error::new(io::ErrorKind::InvalidData, source)))?);
        }
    }
    Ok(tables)
}

fn fetch(family: Family, name: &str) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (domain, level) = match family {
        Family::Ip6 => (libc::AF_INET6, libc::IPPROTO_IPV6),
        _ => (libc::AF_INET, libc::IPPROTO_IP),
    };
    let socket = socket2::Socket::new(domain.into(), socket2::Type::RAW, Some(libc::IPPROTO_RAW.into()))?;
    let bad = || io::Error::new(io::ErrorKind::InvalidData, Malformed { what: "table size" });
    for _ in 0..TRIES {
        let mut info = vec![0; INFO_LEN];
        write_name(&mut info, name)?;
        sys::getsockopt(&socket, level, GET_INFO, &mut info)?;
        let size = info.get(80..).and_then(ne32).ok_or_else(bad)?;
        let len = usize::try_from(size).ok().filter(|len| *len <= MOST).ok_or_else(bad)?;
        let mut entries = vec![0; ENTRIES_HEAD + len];
        write_name(&mut entries, name)?;
        entries[32..36].copy_from_slice(&size.to_ne_bytes());
        match sys::getsockopt(&socket, level, GET_ENTRIES, &mut entries) {
            Ok(()) => return Ok((info, entries.split_off(ENTRIES_HEAD))),
            // The table was replaced between the two calls by one of another size.
            Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

fn write_name(request: &mut [u8], name: &str) -> io::Result<()> {
    let room = request.get_mut(..name.len()).filter(|_| name.len() < 32);
    room.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(name.as_bytes());
    Ok(())
}
