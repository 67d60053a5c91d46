//! Starts the program and looks at what it says.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest time that a started program may take to say something; the machine may be busy.
const SAY_WITHIN: Duration = Duration::from_secs(60);

/// What a program that ended said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    pub(crate) fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    command_by(&[], folder, arguments)
}

/// Started by another program, such as `ip netns exec NAME`.
fn command_by(starter: &[&str], folder: &Path, arguments: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_wattproof");
    let mut command = match starter {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    // Nothing of the machine that the tests run on may decide what comes out.
    command.args(arguments).current_dir(folder).env("HOME", folder).env_remove("XDG_CONFIG_HOME");
    command
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env("LANG", "C")
        .env_remove("RUST_LOG")
        .env_remove("WATTPROOF_PASSPHRASE");
    command
}

/// Runs the program in a folder until it ends.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Ended {
    run_by(&[], folder, arguments)
}

/// The same, started by another program.
pub(crate) fn run_by(starter: &[&str], folder: &Path, arguments: &[&str]) -> Ended {
    let output = command_by(starter, folder, arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// A program that runs until it is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(command(folder, arguments), Stdio::inherit())
    }

    /// What it logs goes to the end of a file.
    pub(crate) fn start_logged(folder: &Path, arguments: &[&str], log: &Path) -> Self {
        Self::start_by(&[], folder, arguments, log)
    }

    /// The same, started by another program that becomes it.
    pub(crate) fn start_by(starter: &[&str], folder: &Path, arguments: &[&str], log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        Self::start_with(command_by(starter, folder, arguments), log.into())
    }

    /// Its process number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{name}");
    }

    fn start_with(mut command: Command, err: Stdio) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(err).spawn().unwrap();
        let (tell, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { child, lines }
    }

    /// The next line that holds `word`.
    pub(crate) fn line_with(&self, word: &str) -> String {
        let deadline = Instant::now() + SAY_WITHIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("it never said `{word}`"));
            if line.contains(word) {
                return line;
            }
        }
    }

    /// Ends it as a power cut does (`kill -9`).
    ///
    /// # Errors
    /// When it had ended before by itself, with how.
    pub(crate) fn kill_9(mut self) -> Result<(), ExitStatus> {
        if let Some(status) = self.child.try_wait().unwrap() {
            return Err(status);
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Ok(())
    }

    /// Ends it as a service manager does, and gives its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again until there is an answer; panics with what was waited for when there is none in time.
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    while Instant::now() < deadline {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("in vain: {what}")
}
