//! Small Debian packages, made with the host's `cc` and `dpkg-deb`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::chance::Chance;

/// A package to be made.
pub(crate) struct Package<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    /// More fields of its control stanza, each with its newline.
    pub(crate) fields: &'a str,
    /// Path, mode and content.
    pub(crate) files: Vec<(String, u32, Vec<u8>)>,
    /// Member of the control archive and its content.
    pub(crate) scripts: Vec<(&'a str, &'a str)>,
}

impl<'a> Package<'a> {
    pub(crate) fn new(name: &'a str, version: &'a str) -> Self {
        Self { name, version, fields: "", files: Vec::new(), scripts: Vec::new() }
    }

    pub(crate) fn file(mut self, path: impl Into<String>, mode: u32, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.into(), mode, bytes.into()));
        self
    }

    pub(crate) fn script(mut self, name: &'a str, text: &'a str) -> Self {
        self.scripts.push((name, text));
        self
    }

    pub(crate) fn fields(mut self, fields: &'a str) -> Self {
        self.fields = fields;
        self
    }

    /// Makes `<name>_<version>.deb` in `directory` and returns its path.
    pub(crate) fn build(self, directory: &Path) -> PathBuf {
        let tree = directory.join(format!("{}-{}.tree", self.name, self.version));
        let control = tree.join("DEBIAN");
        fs::create_dir_all(&control).expect("a directory for a package");
        let mut sums = String::new();
        for (path, mode, bytes) in &self.files {
            let full = tree.join(path);
            fs::create_dir_all(full.parent().expect("files are in directories")).expect("a package's directories");
            fs::write(&full, bytes).expect("a package's files");
            fs::set_permissions(&full, fs::Permissions::from_mode(*mode)).expect("modes");
            let sum = Command::new("md5sum").arg(path).current_dir(&tree).output().expect("md5sum starts").stdout;
            sums.push_str(&String::from_utf8_lossy(&sum));
        }
        for (name, text) in &self.scripts {
            fs::write(control.join(name), text).expect("a script");
            fs::set_permissions(control.join(name), fs::Permissions::from_mode(0o755)).expect("modes");
        }
        fs::write(control.join("md5sums"), sums).expect("sums");
        let stanza = format!(
            "Package: {}\nVersion: {}\nArchitecture: all\nMaintainer: Somebody <somebody@example.com>\n{}\
             Description: made for a test\n",
            self.name, self.version, self.fields
        );
        fs::write(control.join("control"), stanza).expect("a stanza");
        let archive = directory.join(format!("{}_{}.deb", self.name, self.version));
        let built = Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zgzip", "-z1", "--build"])
            .args([&tree, &archive])
            .output()
            .expect("dpkg-deb is installed: apt-get install dpkg-dev");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        archive
    }
}

/// The static program of `box.c`, which prints this version.
pub(crate) fn program(directory: &Path, version: &str) -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/box.c");
    let binary = directory.join(format!("box-{version}"));
    let built = Command::new("cc")
        .args(["-static", "-O1", "-s", "-w", &format!("-DVERSION=\"{version}\""), "-o"])
        .args([&binary, &source])
        .output()
        .expect("cc is installed: apt-get install gcc libc6-dev");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    fs::read(&binary).expect("cc wrote it")
}

/// The packages of most tests, in two versions.
pub(crate) struct Set {
    /// `prog 1`, a library, data.
    pub(crate) old: Vec<PathBuf>,
    /// The same, newer.
    pub(crate) new: Vec<PathBuf>,
    /// A package whose script runs for a while, in two versions; it also has `dpkg`.
    pub(crate) scripted: [PathBuf; 2],
    _kept: tempfile::TempDir,
}

impl Set {
    /// Makes them; the data is `megabytes` of noise in each version.
    pub(crate) fn make(megabytes: usize) -> Self {
        let kept = tempfile::tempdir().expect("a temporary directory");
        let directory = kept.path();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("permissions");
        let version = |number: &str| {
            let seed = number.bytes().map(u64::from).sum();
            let chance = Chance::new(seed);
            let program = program(directory, number);
            let prog = Package::new("prog", number)
                .fields("Depends: libthing, thing-data\n")
                .file("usr/bin/prog", 0o755, program.clone())
                .file("usr/share/doc/prog/copyright", 0o644, "whatever\n");
            let library = Package::new("libthing", number)
                .file("usr/lib/libthing.so.1", 0o644, chance.bytes(300_000))
                .file("usr/share/doc/libthing/copyright", 0o644, "whatever\n");
            let mut data = Package::new("thing-data", number);
            for index in 0..megabytes {
                data = data.file(format!("usr/share/thing/large-{index}"), 0o644, chance.bytes(1_100_000));
            }
            for index in 0..60 {
                let text = format!("{index}\n{}", if index % 10 == 0 { number } else { "" });
                data = data.file(format!("usr/share/thing/d{}/small-{index}", index % 7), 0o644, text);
            }
            let archives = [prog, library, data].map(|package| package.build(directory)).to_vec();
            let script = "#!/usr/bin/box-interpreter\n";
            let scripted = Package::new("box", number)
                .file("usr/bin/box-interpreter", 0o755, program.clone())
                .file("usr/bin/dpkg", 0o755, program)
                .script("preinst", script)
                .script("postinst", script);
            (archives, scripted.build(directory))
        };
        let ((old, first), (new, second)) = (version("1"), version("2"));
        Self { old, new, scripted: [first, second], _kept: kept }
    }
}

/// Paths as arguments after a command's name.
pub(crate) fn with<'a>(command: &'a [&'a str], archives: &'a [PathBuf]) -> Vec<&'a std::ffi::OsStr> {
    command.iter().map(std::ffi::OsStr::new).chain(archives.iter().map(|path| path.as_os_str())).collect()
}
