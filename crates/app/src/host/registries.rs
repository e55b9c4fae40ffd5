//! What the host's tools for packages of languages are told, and git.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Host, variable};

/// What tools for packages of languages are told: texts of configuration, those that count first at the beginning.
#[derive(Debug)]
pub(crate) struct Configured {
    /// cargo's own directory.
    pub(crate) cargo_home: PathBuf,
    /// Texts of pip's.
    pub(crate) pip: Vec<String>,
    /// Texts of npm's.
    pub(crate) npm: Vec<String>,
}

/// Variables that say how a network is reached; git knows them, too.
const NETWORK: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
    "SSH_AUTH_SOCK",
];

impl Host {
    /// What the host's tools for packages of languages are told. Projects have no say: what they build is proven, and where it is
    /// from is up to the host.
    pub(crate) fn configured(&self) -> Configured {
        let cargo_home = variable("CARGO_HOME").map_or_else(|| self.home.join(".cargo"), |home| self.cwd.join(home));
        Configured { cargo_home, pip: self.pip(), npm: self.npm() }
    }

    fn pip(&self) -> Vec<String> {
        let given = variable("PIP_INDEX_URL").map(|url| format!("[download]\nindex-url = {}\n", url.display()));
        let own = variable("PIP_CONFIG_FILE").map(|path| self.cwd.join(path));
        let mut files: Vec<PathBuf> = own.iter().cloned().collect();
        if own.as_deref() != Some(Path::new("/dev/null")) {
            files.extend(variable("VIRTUAL_ENV").map(|directory| directory.join("pip.conf")));
            // As pip has it: one that is named takes the user's place.
            if own.is_none_or(|own| !own.exists()) {
                let config = variable("XDG_CONFIG_HOME").unwrap_or_else(|| self.home.join(".config"));
                files.extend([config.join("pip/pip.conf"), self.home.join(".pip/pip.conf")]);
            }
            files.extend(["/etc/pip.conf", "/etc/xdg/pip/pip.conf"].map(PathBuf::from));
        }
        given.into_iter().chain(texts(files)).collect()
    }

    fn npm(&self) -> Vec<String> {
        let variables = ["npm_config_registry", "NPM_CONFIG_REGISTRY"];
        let given = variables.into_iter().find_map(variable).map(|url| format!("registry = {}\n", url.display()));
        let user = variable("NPM_CONFIG_USERCONFIG").unwrap_or_else(|| self.home.join(".npmrc"));
        let shared = variable("NPM_CONFIG_GLOBALCONFIG").unwrap_or_else(|| PathBuf::from("/etc/npmrc"));
        given.into_iter().chain(texts([user, shared])).collect()
    }

    /// What a tool of the host says that it has by itself: one line. Nothing if there is no such tool.
    pub(crate) fn asked(&self, program: &str, arguments: &[&str]) -> Option<String> {
        // Not where somebody's project may have an answer of its own.
        let asked = Command::new(program).args(arguments).current_dir("/").stdin(Stdio::null()).output().ok()?;
        let line = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
        (asked.status.success() && !line.is_empty()).then_some(line)
    }

    /// git, without anybody's configuration, hooks and filters: it fetches and writes what was committed.
    pub(crate) fn git(&self) -> Command {
        let mut git = Command::new("git");
        git.env_clear().stdin(Stdio::null()).current_dir("/");
        let kept = NETWORK.into_iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
        git.envs(kept).env("PATH", Self::search_path()).env("HOME", &self.home).env("LC_ALL", "C");
        git.envs([
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_NO_LAZY_FETCH", "1"),
            // No helper that an address could name runs.
            ("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh"),
        ]);
        for setting in
            ["core.hooksPath=/dev/null", "fetch.recurseSubmodules=false", "gc.auto=0", "maintenance.auto=false"]
        {
            git.args(["-c", setting]);
        }
        git
    }
}

fn texts(files: impl IntoIterator<Item = PathBuf>) -> impl Iterator<Item = String> {
    files.into_iter().filter_map(|file| fs::read_to_string(file).ok())
}
