//! Programs that are not ours at the other end of a line: pymodbus, libmodbus, socat's ptys. What is missing is a failure
//! that says what to install, never a skipped test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/tests/peers");
/// How long a foreign program may take until it answers.
const START_MAX: Duration = Duration::from_secs(20);

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp,
    Pty,
}

/// A running foreign server; it ends when this is dropped.
pub(crate) struct Foreign {
    /// The address, or the device's path on our side of the line.
    pub(crate) place: String,
    children: Vec<Child>,
    _folder: Option<tempfile::TempDir>,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that has ended by itself needs no end.
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

impl Foreign {
    /// The meters of `pymodbus_server.py`.
    pub(crate) fn pymodbus(way: Way) -> Self {
        let mut command = Command::new(python());
        command.arg("-B").arg(Path::new(SOURCES).join("pymodbus_server.py"));
        Self::start(command, way)
    }

    /// The meter of `libmodbus_server.c`.
    pub(crate) fn libmodbus(way: Way) -> Self {
        Self::start(Command::new(compiled("libmodbus_server")), way)
    }

    fn start(mut command: Command, way: Way) -> Self {
        let Way::Pty = way else {
            let (child, place) = started(command.arg("tcp"));
            return Self { place, children: vec![child], _folder: None };
        };
        let line = Line::new();
        let (child, _) = started(command.arg("serial").arg(line.far()));
        let place = line.near();
        Self { place, children: vec![child, line.socat], _folder: Some(line.folder) }
    }
}

/// Two ptys that carry to each other what is written to them.
struct Line {
    socat: Child,
    folder: tempfile::TempDir,
}

impl Line {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let end = |name: &str| format!("pty,raw,echo=0,link={}", folder.path().join(name).display());
        let mut command = Command::new("socat");
        command.args([end("near"), end("far")]);
        let socat = command.spawn().unwrap_or_else(|error| missing("socat", "socat", &error));
        let line = Self { socat, folder };
        let deadline = Instant::now() + START_MAX;
        while !(Path::new(&line.near()).exists() && Path::new(&line.far()).exists()) {
            assert!(Instant::now() < deadline, "socat makes no ptys");
            std::thread::sleep(Duration::from_millis(5));
        }
        line
    }

    fn near(&self) -> String {
        self.folder.path().join("near").display().to_string()
    }

    fn far(&self) -> String {
        self.folder.path().join("far").display().to_string()
    }
}

/// Starts a server and waits until it says where it is.
fn started(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut place = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut place).unwrap();
    assert!(!place.trim().is_empty(), "{command:?} ended: {:?}", child.wait());
    (child, place.trim().to_owned())
}

/// Fails with what to install.
pub(crate) fn missing(program: &str, package: &str, error: &std::io::Error) -> ! {
    panic!("{program}: {error}; install it (Debian: apt-get install {package}), or let scripts/test do it")
}

/// Where builds leave what only tests need.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

/// The Python whose packages `scripts/test` installs from `requirements.txt`.
fn python() -> PathBuf {
    let python = target().join("foreign-venv/bin/python");
    let has = |module: &str| {
        let import = Command::new(&python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
        import.is_ok_and(|status| status.success())
    };
    let venv = target().join("foreign-venv");
    assert!(
        has("pymodbus"),
        "pymodbus is missing; let scripts/test install it, or: python3 -m venv {0} && \
         {0}/bin/pip install -r crates/gateway/tests/peers/requirements.txt",
        venv.display()
    );
    python
}

/// A C program of this folder, compiled anew: under a name of its own first, as tests run side by side.
fn compiled(name: &str) -> PathBuf {
    let program = target().join("tmp").join(name);
    let fresh = target().join("tmp").join(format!("{name}-{}", std::process::id()));
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let source = Path::new(SOURCES).join(format!("{name}.c"));
        let mut cc = Command::new("cc");
        cc.args(["-Wall", "-Werror", "-o"]).arg(&fresh).arg(source).arg("-lmodbus");
        let output = cc.output().unwrap_or_else(|error| missing("cc", "gcc", &error));
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{text}\nlibmodbus is missing? Debian: apt-get install libmodbus-dev, or let scripts/test do it"
        );
        std::fs::rename(&fresh, &program).unwrap();
    });
    program
}
