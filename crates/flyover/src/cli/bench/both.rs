//! Options that hold for both ends, or one value for each: `--muxer=epoll`, `--muxer='epoll;none'`.

use std::fmt;
use std::str::FromStr;

/// A value for the client and one for the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Both<T> {
    pub(crate) client: T,
    pub(crate) server: T,
}

/// One of the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Client,
    Server,
}

impl<T: FromStr + Clone> FromStr for Both<T> {
    type Err = T::Err;

    fn from_str(s: &str) -> Result<Self, T::Err> {
        match s.split_once(';') {
            Some((client, server)) => Ok(Self { client: client.parse()?, server: server.parse()? }),
            None => s.parse().map(|both: T| Self { client: both.clone(), server: both }),
        }
    }
}

impl<T: Clone> Both<T> {
    /// The value of one end.
    pub(crate) fn of(&self, who: Who) -> T {
        match who {
            Who::Client => self.client.clone(),
            Who::Server => self.server.clone(),
        }
    }

    /// The client's first, as the engine takes them.
    pub(crate) fn map<U>(self, mut f: impl FnMut(T) -> U) -> [U; 2] {
        [f(self.client), f(self.server)]
    }
}

impl<T: fmt::Display + PartialEq> fmt::Display for Both<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.client == self.server {
            return self.client.fmt(f);
        }
        write!(f, "{};{}", self.client, self.server)
    }
}

/// Yes or no, as C programs say it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

impl FromStr for Flag {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(Self(true)),
            "" | "0" | "false" | "no" | "off" => Ok(Self(false)),
            _ => Err(format!("`{s}` is neither 0 nor 1")),
        }
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", u8::from(self.0))
    }
}

/// A processor, or `any`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Core(pub(crate) Option<usize>);

impl FromStr for Core {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        if s.eq_ignore_ascii_case("any") {
            return Ok(Self(None));
        }
        s.parse().map(|cpu| Self(Some(cpu))).map_err(|_| format!("`{s}` is neither a CPU nor `any`"))
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(cpu) => cpu.fmt(f),
            None => f.write_str("any"),
        }
    }
}

/// Where both ends run unless told otherwise: not on CPU 0, where a system does its chores, if there is another.
pub(crate) fn default_cores(apart: bool) -> Both<Core> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let last = cpus - 1;
    let server = if apart { 2.min(last) } else { 1.min(last) };
    let client = if apart && last == 1 { 0 } else { 1.min(last) };
    Both { client: Core(Some(client)), server: Core(Some(server)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_pair_survives_printing_and_parsing(client in any::<u32>(), server in any::<u32>()) {
            let both = Both { client, server };
            prop_assert_eq!(both.to_string().parse::<Both<u32>>().unwrap(), both);
        }
    }

    #[test]
    fn one_value_is_for_both_and_two_are_for_each() {
        assert_eq!("7".parse(), Ok(Both { client: 7, server: 7 }));
        assert_eq!("1;0".parse(), Ok(Both { client: Flag(true), server: Flag(false) }));
        assert_eq!("any;3".parse(), Ok(Both { client: Core(None), server: Core(Some(3)) }));
        assert!("1;2;3".parse::<Both<u32>>().is_err());
    }
}
