//! The commands a guest runs, and what its console says of each.
//!
//! The guest's `/init` runs one script after the other, each within its time, and frames each on the
//! console: `flyover-guest: begin NAME`, its output, `flyover-guest: end NAME STATUS`. A command whose end is
//! not on the console did not pass: the guest died in it, or never came to it.

use std::fmt::Write;
use std::time::Duration;

use super::Initramfs;

const MARK: &str = "flyover-guest:";

/// Mounts what a Linux program expects. `/run` is a mount of its own since `ip netns` shares it.
const INIT: &str = "#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root RUST_BACKTRACE=1
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp; mount -t bpf bpf /sys/fs/bpf
mkdir -p /run/lock /dev/shm; mount -t tmpfs tmpfs /dev/shm
exec >/dev/ttyS0 2>&1 </dev/null
dmesg -n 1; ip link set lo up
";

/// A list of commands for a guest.
#[derive(Clone, Debug, Default)]
pub struct Guest {
    commands: Vec<(String, String, Duration)>,
}

/// How one command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its name.
    pub name: String,
    /// Its exit status; none if the console does not tell its end.
    pub status: Option<i32>,
    /// What it printed.
    pub output: String,
}

impl Verdict {
    /// Whether it did what it should.
    pub fn passed(&self) -> bool {
        self.status == Some(0)
    }
}

impl Guest {
    /// Adds a shell script with a name of one word.
    pub fn command(&mut self, name: &str, script: &str, limit: Duration) {
        self.commands.push((name.replace(' ', "-"), script.to_owned(), limit));
    }

    /// Adds those tests of a cargo test binary at `path` in the guest, which words like `NAME=VALUE` may precede, that `filter` picks: arguments as the
    /// binary takes them, e.g. `root:: --skip slow`. It fails if there is none.
    pub fn tests(&mut self, name: &str, path: &str, filter: &str, limit: Duration) {
        let script = format!(
            "n=$({path} --list {filter} | grep -c ': test$')\necho \"$n tests\"\n\
             [ \"$n\" -gt 0 ] && exec env RUST_TEST_THREADS=1 {path} {filter}\n"
        );
        self.command(name, &script, limit);
    }

    /// Time that all of it may take, the guest's start not counted.
    pub fn limit(&self) -> Duration {
        self.commands.iter().map(|(_, _, limit)| *limit).sum()
    }

    /// Puts the commands into a guest's file system, to be run at its start.
    pub fn install(&self, initramfs: &mut Initramfs) {
        let mut init = INIT.to_owned();
        for (name, script, limit) in &self.commands {
            let path = format!("/commands/{name}");
            initramfs.put(&path, script.as_bytes());
            let seconds = limit.as_secs();
            writeln!(
                init,
                "echo '{MARK} begin {name}'; timeout -k 5 {seconds} /bin/sh {path}; echo \"{MARK} end {name} $?\""
            )
            .expect("a string takes all that is written");
        }
        init.push_str("poweroff -f\n");
        initramfs.put("init", init);
    }

    /// The verdict on each command, from what the console showed.
    pub fn judge(&self, console: &str) -> Vec<Verdict> {
        self.commands.iter().map(|(name, _, _)| verdict(name, console)).collect()
    }

    /// Whether a line of the console frames a command, and is no output of one.
    pub fn is_frame(line: &str) -> bool {
        line.contains(MARK)
    }
}

fn verdict(name: &str, console: &str) -> Verdict {
    let (begin, end) = (format!("{MARK} begin {name}"), format!("{MARK} end {name} "));
    let mut lines = console.lines().map(|l| l.trim_end_matches('\r'));
    let mut output = String::new();
    let mut status = None;
    if lines.any(|l| l.ends_with(&begin)) {
        for line in lines {
            // Output that ends without a newline stands before the mark.
            if let Some((last, code)) = line.split_once(&end) {
                output.push_str(last);
                status = code.trim().parse().ok();
                break;
            }
            output.push_str(line);
            output.push('\n');
        }
    }
    Verdict { name: name.to_owned(), status, output }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(names: &[&str]) -> Guest {
        let mut guest = Guest::default();
        names.iter().for_each(|name| guest.command(name, "true", Duration::from_secs(1)));
        guest
    }

    #[test]
    fn each_command_is_judged_by_its_end() {
        let console = "boot\r\nflyover-guest: begin a\r\nhello\r\nflyover-guest: end a 0\r\n\
            flyover-guest: begin b\r\nno newlineflyover-guest: end b 3\r\nflyover-guest: begin c\r\nOops\r\n";
        let verdicts = guest(&["a", "b", "c", "d"]).judge(console);
        let told: Vec<_> = verdicts.iter().map(|v| (v.name.as_str(), v.status, v.output.as_str())).collect();
        assert_eq!(
            told,
            [("a", Some(0), "hello\n"), ("b", Some(3), "no newline"), ("c", None, "Oops\n"), ("d", None, "")]
        );
        assert_eq!(verdicts.iter().filter(|v| v.passed()).count(), 1);
    }

    #[test]
    fn a_name_that_begins_another_is_not_taken_for_it() {
        let console = "flyover-guest: begin ab\nflyover-guest: end ab 0\nflyover-guest: begin a\nflyover-guest: end a 1\n";
        let statuses: Vec<_> = guest(&["a", "ab"]).judge(console).into_iter().map(|v| v.status).collect();
        assert_eq!(statuses, [Some(1), Some(0)]);
    }
}
