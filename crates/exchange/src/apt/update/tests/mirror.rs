//! An archive that is made, signed and served for a test, and a host that is configured to use it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    fs,
    io::Write as _,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, SystemTime},
};

use aleph_component::Digest;

use crate::{
    apt::{
        config::AptConfig,
        release::{
            Timestamp,
            tests::signer::{Manner, Signer, in_days},
        },
        sources::{AptSource, parse_one_line_sources},
        update::{Known, Lists, SourceReport, Suite},
    },
    net::{
        Fetcher, HostOptions, Proxy, SchemeOptions, Settings, Silent,
        tests::server::{Reply, Server},
    },
};

type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;

/// An archive at `/debian`, the suite `stable`.
pub(super) struct Mirror {
    pub(super) signer: Signer,
    pub(super) server: Server,
    files: Files,
    /// The status of what is not there.
    pub(super) missing: Arc<AtomicU16>,
    /// Plain indices by path below the suite, e.g. `main/binary-amd64/Packages`.
    pub(super) indices: BTreeMap<String, String>,
    /// What the Release file says that it is.
    pub(super) names: String,
    /// More fields of the Release file.
    pub(super) fields: String,
    /// Its date; the next one published is a second later.
    pub(super) date: i64,
    /// How indices are packed.
    pub(super) packings: Vec<&'static str>,
    /// Below which path the Release file is.
    pub(super) suite: &'static str,
}

impl Mirror {
    pub(super) fn new() -> Self {
        let files = Files::default();
        let (served, missing) = (files.clone(), Arc::new(AtomicU16::new(404)));
        let status = missing.clone();
        let server = Server::start(move |seen, _| match served.lock().unwrap().get(&seen.path) {
            None => Reply::status(status.load(Ordering::Relaxed)),
            Some(body) => {
                let etag = format!("\"{}\"", Digest::of(body));
                match seen.header("if-none-match") {
                    Some(known) if known == etag => Reply::status(304),
                    _ => Reply::part(seen, body, &etag),
                }
            }
        });
        let mut mirror = Self {
            signer: Signer::new(),
            server,
            files,
            missing,
            indices: BTreeMap::new(),
            names: "Suite: stable\nCodename: bookworm\n".to_owned(),
            fields: "Acquire-By-Hash: yes\n".to_owned(),
            date: 1_700_000_000,
            packings: vec![".xz", ".gz"],
            suite: "/debian/dists/stable/",
        };
        mirror.index("main", "amd64", "Package: a\nVersion: 1\n");
        mirror
    }

    pub(super) fn index(&mut self, component: &str, architecture: &str, text: &str) {
        self.indices.insert(format!("{component}/binary-{architecture}/Packages"), text.to_owned());
    }

    /// Makes, signs and serves the Release file and the indices. By-hash files stay, the others are replaced.
    pub(super) fn publish(&mut self) {
        let text = self.release();
        let message = self.signer.clearsign(&text, &Manner::default());
        self.put("InRelease", message);
    }

    /// Serves the indices; the text of a Release file that vouches for them.
    pub(super) fn release(&mut self) -> String {
        self.date += 1;
        let date = Timestamp(self.date).to_string();
        let (day, clock) = (&date[..10], &date[11..]);
        let mut parts = day.split('-');
        let (year, month, day) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let month = ["Oct", "Nov", "Dec"][month.parse::<usize>().unwrap() - 10];
        let mut text = format!("{}Date: Tue, {day} {month} {year} {clock}\n", self.names);
        let _ = writeln!(text, "{}SHA256:", self.fields);
        for (path, plain) in self.indices.clone() {
            let _ = writeln!(text, " {} {} {path}", Digest::of(plain.as_bytes()), plain.len());
            for suffix in self.packings.clone() {
                let packed = pack(suffix, plain.as_bytes());
                let digest = Digest::of(&packed);
                let _ = writeln!(text, " {digest} {} {path}{suffix}", packed.len());
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                self.put(&format!("{parent}/by-hash/SHA256/{digest}"), packed.clone());
                self.put(&format!("{path}{suffix}"), packed);
            }
        }
        text
    }

    pub(super) fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().insert(format!("{}{path}", self.suite), bytes.into());
    }

    /// What is served below the suite.
    pub(super) fn body(&self, path: &str) -> Vec<u8> {
        self.files.lock().unwrap()[&format!("{}{path}", self.suite)].clone()
    }

    /// Changes what is served where the path ends in `end`.
    pub(super) fn change(&self, end: &str, change: impl Fn(&mut Vec<u8>)) {
        let mut files = self.files.lock().unwrap();
        let mut found = files.iter_mut().filter(|(path, _)| path.ends_with(end)).map(|(_, bytes)| bytes).peekable();
        assert!(found.peek().is_some(), "{end}");
        found.for_each(change);
    }

    /// No longer serves paths that contain `part`.
    pub(super) fn remove(&self, part: &str) {
        self.files.lock().unwrap().retain(|path, _| !path.contains(part));
    }

    /// The requests since the last call that are for paths with `part`.
    pub(super) fn asked(&self, part: &str) -> usize {
        self.server.paths().iter().filter(|path| path.contains(part)).count()
    }
}

pub(super) fn pack(suffix: &str, plain: &[u8]) -> Vec<u8> {
    match suffix {
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(plain, 1).unwrap(),
        _ => plain.to_vec(),
    }
}

/// A host with a configuration and lists of its own.
pub(super) struct Host {
    pub(super) root: tempfile::TempDir,
    pub(super) now: SystemTime,
    /// The sources of the last update.
    pub(super) sources: RefCell<Vec<AptSource>>,
}

impl Host {
    /// Trusts the mirror's key as `/keys/mirror.gpg`.
    pub(super) fn new(mirror: &Mirror) -> Self {
        let root = tempfile::tempdir().unwrap();
        let host = Self { root, now: in_days(1), sources: RefCell::default() };
        host.write("keys/mirror.gpg", mirror.signer.binary());
        host.write("etc/apt/apt.conf", "APT::Architecture \"amd64\";");
        host
    }

    pub(super) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(super) fn config(&self) -> AptConfig {
        AptConfig::read(self.root.path(), None).unwrap()
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.root.path().join("lists")
    }

    pub(super) fn lists(&self) -> Lists {
        Lists::new(self.directory())
    }

    /// Updates the sources, in one-line form; `MIRROR` in them is the mirror's address.
    pub(super) fn update(&self, sources: &str, mirror: &Mirror) -> Vec<SourceReport> {
        let config = self.config();
        let text = sources.replace("MIRROR", &mirror.server.uri("/debian"));
        let sources: Vec<AptSource> =
            parse_one_line_sources(&text, "test.list".as_ref(), &config.source_defaults()).unwrap();
        let any = HostOptions { proxy: Some(Proxy::Direct), ..HostOptions::default() };
        let http = SchemeOptions { any, ..SchemeOptions::default() };
        let settings = Settings { backoff: Duration::from_millis(1), http, ..config.network.clone() };
        self.sources.replace(sources.clone());
        self.lists().update(&sources, &config, &Fetcher::new(settings), self.now, &Silent).unwrap()
    }

    pub(super) fn suites(&self) -> Vec<Suite> {
        self.known().suites
    }

    pub(super) fn known(&self) -> Known {
        self.lists().known(&self.sources.borrow(), &self.config(), self.now).unwrap()
    }

    /// The texts of all indices.
    pub(super) fn texts(&self) -> Vec<String> {
        self.suites().iter().map(|suite| fs::read_to_string(&suite.packages).unwrap()).collect()
    }

    pub(super) fn files(&self, directory: &str) -> usize {
        fs::read_dir(self.directory().join(directory)).unwrap().count()
    }
}
