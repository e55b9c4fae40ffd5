//! A world with this host's apt sources, whose downloads are kept below the target directory between runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Ran, Who, World, remove};

/// What of the caller's environment leads to the sources.
const NETWORK: [&str; 7] =
    ["http_proxy", "https_proxy", "no_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "APT_CONFIG"];

/// A world that reaches the sources of this host.
pub(crate) struct Real(pub(crate) World);

impl Real {
    /// A world of somebody, in a directory with this name, with the downloads that there are.
    pub(crate) fn new(who: Who, name: &str) -> Self {
        let real = Self(World::of(who, name));
        fs::create_dir_all(shared()).expect("a cache");
        copy_cache(&real.0, &shared(), &real.cache());
        real
    }

    /// Its downloads.
    pub(crate) fn cache(&self) -> PathBuf {
        self.0.directory.join("cache")
    }

    /// Keeps its downloads for others.
    pub(crate) fn keep(&self) {
        copy_cache(&World::new(), &self.cache(), &shared());
    }

    pub(crate) fn aleph(&self, arguments: &[&str]) -> Command {
        let mut command = self.0.aleph(arguments);
        command.env_remove("ALEPH_SOURCES").current_dir(self.0.directory.join("home"));
        command.envs(NETWORK.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command
    }

    #[track_caller]
    pub(crate) fn good(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.aleph(arguments)).good()
    }
}

/// Where downloads are kept between runs.
fn shared() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("debian-cache")
}

/// Copies what one cache has into another, for its owner. No other test does so meanwhile: they share one of the two.
fn copy_cache(world: &World, from: &Path, to: &Path) {
    let held = fs::File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian-cache.lock")).expect("a lock");
    held.lock().expect("a lock");
    // What was heard of the sources replaces what was heard before; archives add up.
    remove(&to.join("apt"));
    fs::create_dir_all(to).expect("a cache");
    let copied = Command::new("cp")
        .args(["-RT", "--preserve=mode,timestamps", "--remove-destination"])
        .args([from, to])
        .status()
        .expect("cp starts");
    assert!(copied.success(), "cp {} {}", from.display(), to.display());
    if let Who::User { uid, gid } = world.who {
        let given = Command::new("chown").arg("-R").arg(format!("{uid}:{gid}")).arg(to).status().expect("chown starts");
        assert!(given.success(), "chown {}", to.display());
    }
}
