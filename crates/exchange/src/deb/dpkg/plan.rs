//! What has to run in a view whose packages were just put together.

use std::collections::BTreeSet;

use aleph_component::TreePath;

use super::{
    Package, Placement, configure_order,
    info::info_placements,
    script,
    status::{State, stanza},
    triggers::trigger_placements,
    usr_merged,
};

/// Everything that makes a working Debian tree of composed packages: files first, then steps, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigurePlan {
    /// Files that the tree must have besides those of its packages.
    pub placements: Vec<Placement>,
    /// Files that stand in for others while the steps run, and are gone afterwards.
    pub covers: Vec<Cover>,
    /// What to run, in order, as root in the tree, without network, in `/`. May be empty: nothing has to run then.
    pub steps: Vec<Step>,
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is, for people: `preinst install of base-passwd`.
    pub label: String,
    /// The command, absolute or looked up on `PATH`, and its arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The package whose script it is, if it is one's.
    pub package: Option<String>,
    /// Whether the next steps run although this one failed.
    pub may_fail: bool,
}

/// A file that stands in for another while steps run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// Where, in the merged tree.
    pub path: TreePath,
    /// Its permission bits.
    pub mode: u16,
    /// What it holds.
    pub bytes: Vec<u8>,
}

impl Cover {
    pub(super) fn new(path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let path = TreePath::new(path).expect("the paths of covers are paths");
        Self { path: usr_merged(&path), mode: 0o755, bytes: bytes.into() }
    }
}

/// The plan for a view that starts from nothing: what `dpkg --unpack` of all and `dpkg --configure -a` do.
///
/// Triggers need not be set off: every script that a trigger would call runs anyway, after all files are there.
pub fn fresh(packages: &[Package<'_>]) -> ConfigurePlan {
    let order = configure_order(packages);
    let mut placements = info_placements(packages);
    placements.extend(trigger_placements(packages, &BTreeSet::new()));
    let state = |package: &Package<'_>| {
        if has_to_run(package) { State::Unpacked { configured: None } } else { State::Installed }
    };
    let status: String = packages.iter().map(|package| stanza(package, state(package))).collect();
    placements.push(Placement::bytes("var/lib/dpkg/status", status, true));
    let dpkg = dpkg_version(packages);
    let ordered = || order.iter().map(|&index| &packages[index]);
    let mut steps: Vec<Step> = ordered()
        .filter(|package| package.has_script("preinst"))
        .map(|package| script::script(package, "preinst", info_path(package, "preinst"), &["install"], dpkg))
        .collect();
    steps.extend(configure_steps(ordered().filter(|package| has_to_run(package))));
    ConfigurePlan { placements, covers: script::covers(packages), steps }
}

/// Whether dpkg has to configure it; one without `postinst` is installed once its files are there.
pub(super) fn has_to_run(package: &Package<'_>) -> bool {
    package.has_script("postinst")
}

/// dpkg configuring packages in this order, and then whatever is left, with triggers.
pub(super) fn configure_steps<'a>(packages: impl Iterator<Item = &'a Package<'a>>) -> Vec<Step> {
    let names: Vec<String> =
        packages.map(|package| format!("{}:{}", package.manifest.name, package.manifest.architecture)).collect();
    let mut steps = Vec::new();
    if !names.is_empty() {
        let arguments = ["--no-triggers".to_owned(), "--configure".to_owned()].into_iter().chain(names);
        steps.push(script::dpkg("configure packages", arguments));
    }
    steps.push(script::dpkg("process triggers", ["--configure".to_owned(), "-a".to_owned()]));
    steps
}

/// Where a package's control member is in the view.
pub(super) fn info_path(package: &Package<'_>, member: &str) -> String {
    format!("/var/lib/dpkg/info/{}.{member}", package.qualified_name())
}

/// The version of dpkg that scripts are told.
pub(super) fn dpkg_version<'a>(packages: &[Package<'a>]) -> &'a str {
    let dpkg = packages.iter().find(|package| package.manifest.name == "dpkg");
    dpkg.map_or("1.21.22", |package| &package.manifest.version)
}
