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
}

impl Agent {
    pub(super) fn new(stream: UnixStream) -> anyhow::Result<Self> {
        stream.set_read_timeout(Some(LOOK))?;
        Ok(Self { stream, read: Vec::new(), jobs: 0 })
    }

    /// Waits for an agent of another boot than `old`, and returns that boot's id.
    pub(super) fn ready(
        &mut self,
        old: &str,
        limit: Duration,
        console: &mut Console,
    ) -> anyhow::Result<String> {
        let end = Instant::now() + limit;
        loop {
            let line = self.line(end, console).context("the guest did not start")?;
            match line.strip_prefix("ready ") {
                Some(boot_id) if boot_id != old => return Ok(boot_id.to_owned()),
                _ => {}
            }
        }
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
        let output = Agent::new(ours).unwrap().run("false", Duration::from_secs(7), &mut console).unwrap();
        assert_eq!(output, Output { status: 3, text: "hello\n".into() });
        assert_eq!(guest.join().unwrap(), "job1 7 ZmFsc2U=\n");
    }

    #[test]
    fn a_silent_script_has_no_text() {
        assert_eq!(parse("0 ").unwrap(), Output { status: 0, text: String::new() });
    }
}
