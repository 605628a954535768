//! What sfnt-pingpong's users type must mean the same here.

use clap::{Arg, FromArgMatches};

use super::*;

/// Its options that take one value, and the defaults it has. `None`: it has none, or writes 0 for it.
const ONE: [(&str, Option<&str>); 21] = [
    ("port", Some("2048")),
    ("sizes", None),
    ("rtt", None),
    ("raw", None),
    ("percentile", Some("99")),
    ("minmsg", None),
    ("maxmsg", None),
    ("minms", Some("1000")),
    ("maxms", Some("3000")),
    ("miniter", Some("1000")),
    ("maxiter", Some("1000000")),
    ("warmupiter", Some("10000")),
    ("warmupms", Some("500")),
    ("mcast", None),
    ("forkboth", None),
    ("tcpc-serv", None),
    ("n-pongs", Some("1")),
    ("sleep-gap", Some("0")),
    ("spin-gap", Some("0")),
    ("ipv4", None),
    ("ipv6", None),
];

/// Its options that take a value for both ends or one for each, with their defaults and values to try. Its default
/// of `ttl` is 1, which is not ours: see the module of the options.
const TWO: [(&str, Option<&str>, &str); 21] = [
    ("connect", Some("0"), "1;0"),
    ("spin", Some("0"), "1;0"),
    ("muxer", Some("none"), "epoll;none"),
    ("mcastintf", None, "lo;eth0"),
    ("mcastloop", Some("0"), "1;0"),
    ("ttl", None, "3;4"),
    ("bind", None, "127.0.0.1;127.0.0.2"),
    ("bindtodev", None, "lo;eth0"),
    ("n-pipe", Some("0"), "1;2"),
    ("n-unix-d", Some("0"), "1;2"),
    ("n-unix-s", Some("0"), "1;2"),
    ("n-udp", Some("0"), "1;2"),
    ("n-tcpc", Some("0"), "1;2"),
    ("n-tcpl", Some("0"), "1;2"),
    ("timeout", Some("0"), "1;2"),
    ("affinity", None, "0;any"),
    ("n-pings", Some("1"), "2;3"),
    ("nodelay", Some("0"), "1;0"),
    ("busy-poll", Some("0"), "10;20"),
    ("more", Some("0"), "1;0"),
    ("v6only", Some("0"), "1;0"),
];

fn command() -> clap::Command {
    PingPong::augment_args(clap::Command::new("pingpong"))
}

fn parsed(words: &[&str]) -> PingPong {
    let words = [&["pingpong"], words].concat();
    PingPong::from_arg_matches(&command().try_get_matches_from(words).unwrap()).unwrap()
}

#[test]
fn options_and_defaults_are_those_of_sfnt_pingpong() {
    let command = command();
    let find = |name: &str| command.get_arguments().find(|arg| arg.get_long() == Some(name)).unwrap();
    let default = |arg: &Arg| arg.get_default_values().first().map(|v| v.to_str().unwrap().to_owned());
    let of_both = TWO.iter().map(|(name, default, _)| (*name, *default));
    for (name, expected) in ONE.into_iter().chain(of_both) {
        let arg = find(name);
        // A flag is off by default.
        let takes_values = arg.get_action().takes_values();
        assert_eq!(default(arg).filter(|_| takes_values).as_deref(), expected, "--{name}");
    }
}

#[test]
fn one_value_is_for_both_ends_and_two_are_for_each() {
    for (name, _, values) in TWO {
        let option = format!("--{name}={values}");
        assert!(command().try_get_matches_from(["pingpong", &option, "udp"]).is_ok(), "{option}");
    }
    for flag in ["spin", "connect", "nodelay", "more", "mcastloop", "v6only", "rtt", "forkboth"] {
        let option = format!("--{flag}");
        assert!(command().try_get_matches_from(["pingpong", &option, "udp"]).is_ok(), "{option}");
    }
}

#[test]
fn sizes_are_those_of_sfnt_pingpong_unless_told_otherwise() {
    let sizes = |words: &[&str]| {
        let parsed = parsed(words);
        parsed.measurement.sizes(parsed.proto.unwrap())
    };
    let powers = |most: u32| std::iter::successors(Some(1), |n| Some(n * 2)).take_while(move |n| *n <= most);
    assert_eq!(sizes(&["tcp"]), powers(65_536).collect::<Vec<u32>>());
    let mut datagrams: Vec<u32> = powers(32_768).chain([0, 1472, 1473]).collect();
    datagrams.sort_unstable();
    assert_eq!(sizes(&["udp"]), datagrams);
    assert_eq!(sizes(&["--minmsg=100", "--maxmsg=900", "tcp"]), [100, 200, 400, 800]);
    assert_eq!(sizes(&["--sizes=1,64,100-300+100", "tcp"]), [1, 64, 100, 200, 300]);
}
