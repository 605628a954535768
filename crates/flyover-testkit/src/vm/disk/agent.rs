//! The channel to the agent in the guest: lines over a virtio-serial port, which needs no network.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::console::Console;

/// How often the console is looked at while the agent is silent.
const LOOK: Duration = Duration::from_millis(200);

/// What a script did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 124 if its time was over.
    pub status: i32,
    /// What it printed, on either output.
    pub text: String,
}

/// The host's end.
#[derive(Debug)]
pub(super) struct Agent {
    stream: UnixStream,
    read: Vec<u8>,
    jobs: u32,
    /// The boot whose agent spoke last.
    boot: String,
}

impl Agent {
    pub(super) fn new(stream: UnixStream) -> anyhow::Result<Self> {
        stream.set_read_timeout(Some(LOOK))?;
        Ok(Self { stream, read: Vec::new(), jobs: 0, boot: String::new() })
    }

    /// Waits for an agent of another boot than `old`, and returns that boot's id.
    pub(super) fn ready(
        &mut self,
        old: &str,
        limit: Duration,
        console: &mut Console,
    ) -> anyhow::Result<String> {
        let end = Instant::now() + limit;
        while self.boot.is_empty() || self.boot == old {
            let line = self.line(end, console).context("the guest did not start")?;
            self.hear(&line);
        }
        Ok(self.boot.clone())
    }

    /// Takes note of an agent that came up; says whether it is one of another boot.
    fn hear(&mut self, line: &str) -> bool {
        let Some(boot) = line.strip_prefix("ready ") else { return false };
        boot != std::mem::replace(&mut self.boot, boot.to_owned())
    }

    /// Runs a script in the guest, which ends it after `limit`.
    pub(super) fn run(
        &mut self,
        script: &str,
        limit: Duration,
        console: &mut Console,
    ) -> anyhow::Result<Output> {
        self.jobs += 1;
        let id = format!("job{} ", self.jobs);
        let sent = format!("{id}{} {}\n", limit.as_secs().max(1), BASE64_STANDARD.encode(script));
        self.stream.write_all(sent.as_bytes()).context("failed to reach the guest's agent")?;
        // The guest's own limit is the one that is met, as long as the guest lives.
        let end = Instant::now() + limit + Duration::from_secs(30);
        loop {
            let line =
                self.line(end, console).with_context(|| format!("in the guest's script:\n{script}"))?;
            if let Some(answer) = line.strip_prefix(&id) {
                return parse(answer)
                    .with_context(|| format!("failed to parse the agent's answer `{answer}`"));
            }
            // Who waits on would wait for a script that no longer runs.
            if self.hear(&line) {
                bail!("the guest rebooted during the script:\n{script}");
            }
        }
    }

    fn line(&mut self, end: Instant, console: &mut Console) -> anyhow::Result<String> {
        loop {
            if let Some(length) = self.read.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.read.drain(..=length).collect();
                return Ok(String::from_utf8_lossy(&line[..length]).into_owned());
            }
            let mut bytes = [0; 65536];
            match self.stream.read(&mut bytes) {
                Ok(0) => ended(console)?,
                Ok(n) => self.read.extend_from_slice(&bytes[..n]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => ended(console)?,
                Err(error) => return Err(error).context("failed to hear the guest's agent"),
            }
            console.check()?;
            if Instant::now() > end {
                bail!("no word from the guest's agent; the console:\n{}", console.tail());
            }
        }
    }
}

fn ended(console: &mut Console) -> anyhow::Result<()> {
    console.check()?;
    bail!("QEMU ended; the console:\n{}", console.tail())
}

fn parse(answer: &str) -> anyhow::Result<Output> {
    let (status, text) = answer.split_once(' ').unwrap_or((answer, ""));
    let text = BASE64_STANDARD.decode(text.trim())?;
    Ok(Output { status: status.parse()?, text: String::from_utf8_lossy(&text).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::thread;

    #[test]
    fn the_answer_is_the_one_to_this_script_and_not_what_stood_in_the_way() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let guest = thread::spawn(move || {
            let mut asked = String::new();
            BufReader::new(&theirs).read_line(&mut asked).unwrap();
            (&theirs).write_all(b"ready old\njob9 0 eA==\njob1 3 aGVsbG8K\n").unwrap();
            asked
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut console = Console::open(file.path()).unwrap();
        let mut agent = Agent { boot: "old".into(), ..Agent::new(ours).unwrap() };
        let output = agent.run("false", Duration::from_secs(7), &mut console).unwrap();
        assert_eq!(output, Output { status: 3, text: "hello\n".into() });
        assert_eq!(guest.join().unwrap(), "job1 7 ZmFsc2U=\n");
    }

    #[test]
    fn a_script_that_the_reboot_took_along_is_not_waited_for_and_the_new_boot_is_known() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (&theirs).write_all(b"ready old\nready new\n").unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut console = Console::open(file.path()).unwrap();
        let mut agent = Agent { boot: "old".into(), ..Agent::new(ours).unwrap() };
        let minute = Duration::from_secs(60);
        let error = agent.run("reboot", minute, &mut console).unwrap_err();
        assert_eq!(error.to_string(), "the guest rebooted during the script:\nreboot");
        assert_eq!(agent.ready("old", minute, &mut console).unwrap(), "new");
    }

    #[test]
    fn a_silent_script_has_no_text() {
        assert_eq!(parse("0 ").unwrap(), Output { status: 0, text: String::new() });
    }
}
