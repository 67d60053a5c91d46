//! Database servers for tests: a MariaDB and a PostgreSQL of our own, on loopback, free ports and temporary folders, which
//! end with the test. Other crates' tests include this file; it knows nothing but the standard library.

// Each of the test programs uses a part.
#![allow(dead_code)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest time that a server may take to start; the machine may be busy.
const START_WITHIN: Duration = Duration::from_secs(120);
/// The user of both servers, and a password with what a URL must escape.
pub(crate) const USER: &str = "wattproof";
pub(crate) const PASSWORD: &str = "pa:ss@w/rd";
pub(crate) const PASSWORD_IN_URL: &str = "pa%3Ass%40w%2Frd";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    MariaDb,
    Postgres,
}

/// A server with a folder of its own.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    folder: PathBuf,
    process: Option<Process>,
}

/// The server under a shell that ends it when the shell's input closes, which it does however the test ends.
struct Process {
    shell: Child,
    input: Option<ChildStdin>,
    /// The server's process group.
    group: u32,
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The one that tests share, each with a database of its own.
pub(crate) fn shared(kind: Kind) -> &'static Server {
    static MARIADB: OnceLock<Server> = OnceLock::new();
    static POSTGRES: OnceLock<Server> = OnceLock::new();
    let server = match kind {
        Kind::MariaDb => &MARIADB,
        Kind::Postgres => &POSTGRES,
    };
    server.get_or_init(|| Server::start(kind))
}

impl Server {
    /// Makes one from nothing.
    pub(crate) fn start(kind: Kind) -> Self {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let number = DATABASES.fetch_add(1, Ordering::SeqCst);
        let folder = base.join(format!("wattproof-{kind:?}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { kind, port, folder, process: None };
        match kind {
            Kind::MariaDb => server.make_mariadb(),
            Kind::Postgres => server.make_postgres(),
        }
        server.start_again();
        server
    }

    fn make_mariadb(&self) {
        let data = self.folder.join("data");
        std::fs::create_dir_all(&data).unwrap();
        let grants = format!(
            "CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
        );
        std::fs::write(self.folder.join("grants.sql"), grants).unwrap();
        let mut install = Command::new(program("mariadb-install-db", "mariadb-server"));
        install.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
        install.arg(format!("--datadir={}", data.display()));
        if is_root() {
            install.arg("--user=root");
        }
        done(&mut install);
    }

    fn make_postgres(&self) {
        std::fs::write(self.folder.join("password"), PASSWORD).unwrap();
        if is_root() {
            done(Command::new("chown").args(["-R", "postgres"]).arg(&self.folder));
        }
        let [program, first @ ..] = &self.as_postgres("initdb")[..] else { unreachable!() };
        let mut make = Command::new(program);
        make.args(first).args([
            "--no-sync",
            "--username",
            USER,
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
        ]);
        make.arg("--pwfile").arg(self.folder.join("password")).arg("-D").arg(self.folder.join("data"));
        done(make.current_dir("/"));
    }

    /// `PostgreSQL` does not run as root.
    fn as_postgres(&self, name: &str) -> Vec<String> {
        let program = program(name, "postgresql").display().to_string();
        if !is_root() {
            return vec![program];
        }
        let words = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", &program];
        words.map(str::to_owned).into()
    }

    /// Starts it, at first or after it was killed; gives when it takes connections.
    pub(crate) fn start_again(&mut self) {
        let folder = self.folder.display();
        let words: Vec<String> = match self.kind {
            Kind::MariaDb => {
                let program = program("mariadbd", "mariadb-server").display().to_string();
                let mut words = vec![
                    program,
                    "--no-defaults".into(),
                    format!("--datadir={folder}/data"),
                    format!("--socket={folder}/socket"),
                    format!("--port={}", self.port),
                    "--bind-address=127.0.0.1".into(),
                    "--skip-name-resolve".into(),
                    "--innodb-buffer-pool-size=64M".into(),
                    format!("--init-file={folder}/grants.sql"),
                ];
                words.extend(is_root().then(|| "--user=root".to_owned()));
                words
            }
            Kind::Postgres => {
                let mut words = self.as_postgres("postgres");
                let place = [format!("{folder}/data"), self.port.to_string(), folder.to_string()];
                let [data, port, socket] = place;
                words.extend([
                    "-D".into(),
                    data,
                    "-p".into(),
                    port,
                    "-k".into(),
                    socket,
                    "-h".into(),
                    "127.0.0.1".into(),
                ]);
                words
            }
        };
        let deadline = Instant::now() + START_WITHIN;
        loop {
            let process = Process::start(&words, &self.folder);
            let began = Instant::now();
            // A server that was killed may need its predecessor's last children to be gone.
            while process.lives() && Instant::now() < deadline {
                if self.answers() {
                    self.process = Some(process);
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "{:?} does not start:\n{log}", self.kind);
            std::thread::sleep(Duration::from_millis(500).saturating_sub(began.elapsed()));
        }
    }

    fn answers(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok() && self.client("SELECT 1").is_ok_and(|said| said == "1")
    }

    /// Runs SQL with the database's own client; gives what it prints, or its complaint.
    pub(crate) fn client(&self, sql: &str) -> Result<String, String> {
        self.client_of(None, sql)
    }

    /// The same in a database.
    pub(crate) fn client_of(&self, database: Option<&str>, sql: &str) -> Result<String, String> {
        let mut client = self.command(database);
        let output = client.arg(if self.kind == Kind::MariaDb { "-e" } else { "-c" }).arg(sql).output().unwrap();
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The database's own client, set to print values only.
    pub(crate) fn command(&self, database: Option<&str>) -> Command {
        let port = self.port.to_string();
        let mut command = match self.kind {
            Kind::MariaDb => {
                let mut command = Command::new(program("mariadb", "mariadb-client"));
                command.args(["--no-defaults", "-h", "127.0.0.1", "-P", &port, "-u", USER, "-N", "-B"]);
                command.env("MYSQL_PWD", PASSWORD).args(database);
                command
            }
            Kind::Postgres => {
                let mut command = Command::new(program("psql", "postgresql-client"));
                command.args([
                    "-X",
                    "-q",
                    "-A",
                    "-t",
                    "-v",
                    "ON_ERROR_STOP=1",
                    "-h",
                    "127.0.0.1",
                    "-p",
                    &port,
                    "-U",
                    USER,
                ]);
                command.env("PGPASSWORD", PASSWORD).args(["-d", database.unwrap_or("postgres")]);
                command
            }
        };
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    /// A new, empty database: its name and its URL.
    pub(crate) fn database(&self) -> (String, String) {
        let name = format!("t{}", DATABASES.fetch_add(1, Ordering::SeqCst));
        self.client(&format!("CREATE DATABASE {name}")).unwrap();
        let url = self.url(&name);
        (name, url)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        let scheme = match self.kind {
            Kind::MariaDb => "mysql",
            Kind::Postgres => "postgres",
        };
        format!("{scheme}://{USER}:{PASSWORD_IN_URL}@127.0.0.1:{}/{database}", self.port)
    }

    /// As a power cut ends it.
    pub(crate) fn kill_9(&mut self) {
        drop(self.process.take());
    }

    /// It stands still and answers nobody, but its connections stay open.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let group = self.process.as_ref().expect("the server runs").group;
        done(Command::new("kill").arg(format!("-{signal}")).arg("--").arg(format!("-{group}")));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_9();
        let _stays = std::fs::remove_dir_all(&self.folder);
    }
}

impl Process {
    fn start(words: &[String], folder: &Path) -> Self {
        // The folder is removed here only when the test's program is gone and can no more.
        let script = "setsid \"$@\" >>\"$0/log\" 2>&1 & group=$!; echo $group; read -r word; \
                      kill -9 -$group 2>/dev/null; wait; [ \"$word\" = keep ] || rm -rf \"$0\"";
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).arg(folder).args(words).current_dir("/");
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut group = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut group).unwrap();
        let input = shell.stdin.take();
        Self { shell, input, group: group.trim().parse().unwrap() }
    }

    fn lives(&self) -> bool {
        Command::new("kill")
            .args(["-0", "--", &format!("-{}", self.group)])
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut input) = self.input.take() {
            let _gone = input.write_all(b"keep\n");
        }
        let _gone = self.shell.wait();
    }
}

fn is_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n"))
}

/// A program of a package; where Debian puts servers is not in everybody's path.
fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("`{name}` is missing; install the package {package} (scripts/test does)"))
}

fn done(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}:\n{out}{err}");
}
