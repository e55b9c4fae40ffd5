//! How dpkg runs a maintainer script, and what is put in the way of scripts that would touch a running system.

use std::collections::BTreeMap;

use super::{Cover, Package, Step};

/// What every script and dpkg itself are told.
pub(super) fn environment() -> Vec<(String, String)> {
    [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/sh"),
        ("TERM", "dumb"),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
        ("DEBCONF_NOWARNINGS", "yes"),
        ("DPKG_COLORS", "never"),
        ("UCF_FORCE_CONFFOLD", "1"),
        ("SYSTEMD_OFFLINE", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// What scripts are told of the packages around them.
pub(super) struct Told<'a> {
    dpkg: &'a str,
    /// How many architectures of a name are there.
    instances: BTreeMap<&'a str, usize>,
}

impl<'a> Told<'a> {
    /// By a dpkg of this version, where these `packages` are.
    pub(super) fn new(dpkg: &'a str, packages: impl IntoIterator<Item = &'a Package<'a>>) -> Self {
        let mut instances = BTreeMap::new();
        for package in packages {
            *instances.entry(package.manifest.name.as_str()).or_default() += 1;
        }
        Self { dpkg, instances }
    }

    /// One of the packages is gone.
    pub(super) fn leave(&mut self, package: &Package<'_>) {
        if let Some(instances) = self.instances.get_mut(package.manifest.name.as_str()) {
            *instances = instances.saturating_sub(1);
        }
    }
}

/// A script of `package` at `path`, run as dpkg runs it. It may fail: what could not be done is a warning.
pub(super) fn script(package: &Package<'_>, name: &str, path: String, arguments: &[&str], told: &Told<'_>) -> Step {
    let mut argv = vec![path];
    argv.extend(arguments.iter().map(|&argument| argument.to_owned()));
    let mut env = environment();
    let instances = told.instances.get(package.manifest.name.as_str()).copied().unwrap_or(1).to_string();
    let own = [
        ("DPKG_MAINTSCRIPT_NAME", name),
        ("DPKG_MAINTSCRIPT_PACKAGE", &package.manifest.name),
        ("DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT", &instances),
        ("DPKG_MAINTSCRIPT_ARCH", &package.manifest.architecture),
        ("DPKG_MAINTSCRIPT_DEBUG", "0"),
        ("DPKG_ADMINDIR", "/var/lib/dpkg"),
        ("DPKG_ROOT", ""),
        ("DPKG_FORCE", "security-mac,downgrade"),
        ("DPKG_RUNNING_VERSION", told.dpkg),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let label = format!("{name} {} of {}", arguments.join(" "), package.manifest.name);
    Step { label, argv, env, package: Some(package.manifest.name.clone()), may_fail: true }
}

/// dpkg itself. That some package could not be configured is read from the status file afterwards.
pub(super) fn dpkg(label: &str, arguments: impl IntoIterator<Item = String>) -> Step {
    let options = ["dpkg", "--force-confold", "--force-confdef", "--force-bad-path", "--abort-after=100000"];
    let argv = options.iter().map(|&option| option.to_owned()).chain(arguments).collect();
    Step { label: label.to_owned(), argv, env: environment(), package: None, may_fail: true }
}

/// Programs that would start, stop or inspect a running system, as they are while scripts run.
pub(super) fn covers(packages: &[Package<'_>]) -> Vec<Cover> {
    let nothing = "#!/bin/sh\nexit 0\n";
    let mut covers = vec![Cover::new("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")];
    let paths = ["sbin/start-stop-daemon", "usr/sbin/start-stop-daemon", "bin/systemctl", "usr/bin/systemctl"];
    for path in paths {
        let has = |package: &Package<'_>| {
            package.manifest.tree.binary_search_by(|entry| entry.path.as_str().cmp(path)).is_ok()
        };
        let cover = Cover::new(path, nothing);
        if packages.iter().any(has) && !covers.contains(&cover) {
            covers.push(cover);
        }
    }
    covers
}
