//! What has to run in a view whose packages were just put together.

use std::collections::BTreeSet;

use aleph_component::TreePath;

use super::{
    Contents, Package, PackageError, Placement,
    info::info_placements,
    order::Needs,
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
        Self { path: usr_merged(&path).into_owned(), mode: 0o755, bytes: bytes.into() }
    }
}

/// The plan for a view that starts from nothing: what `dpkg --unpack` of all and `dpkg --configure -a` do.
///
/// Triggers need not be set off: every script that a trigger would call runs anyway, after all files are there.
///
/// # Errors
/// If `contents` does not give what the manifests list.
pub fn fresh(packages: &[Package<'_>], contents: &Contents<'_>) -> Result<ConfigurePlan, PackageError> {
    let mut placements = info_placements(packages);
    placements.extend(trigger_placements(packages, &BTreeSet::new()));
    let state = |package: &Package<'_>| {
        if has_to_run(package) { State::Unpacked { configured: None } } else { State::Installed }
    };
    let stanzas = packages.iter().map(|package| stanza(package, state(package), contents));
    let status = stanzas.collect::<Result<String, _>>()?;
    placements.push(Placement::bytes("var/lib/dpkg/status", status, true));
    let told = script::Told::new(dpkg_version(packages), packages);
    let preinst = |package: &Package<'_>| preinst_step(package, &["install"], &told).into_iter().collect();
    let steps = bring(packages, &|_| true, &preinst);
    Ok(ConfigurePlan { placements, covers: script::covers(packages), steps })
}

/// A package's `preinst`, if it has one.
pub(super) fn preinst_step(package: &Package<'_>, arguments: &[&str], told: &script::Told<'_>) -> Option<Step> {
    let path = || info_path(package, "preinst");
    package.has_script("preinst").then(|| script::script(package, "preinst", path(), arguments, told))
}

/// The steps that take `coming` packages from unpacked to configured: first the essential ones, on which scripts rely
/// without saying so, then the others. `enter` gives what runs before a package is configured; its `preinst` runs once
/// what it pre-depends on is configured.
pub(super) fn bring(
    packages: &[Package<'_>],
    coming: &dyn Fn(&Package<'_>) -> bool,
    enter: &dyn Fn(&Package<'_>) -> Vec<Step>,
) -> Vec<Step> {
    let needs = Needs::of(packages);
    let essential = needs.essential();
    let order: Vec<usize> = needs.order(packages).into_iter().filter(|&index| coming(&packages[index])).collect();
    let (first, rest): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|&index| essential[index]);
    let mut steps: Vec<Step> = first.iter().flat_map(|&index| enter(&packages[index])).collect();
    let mut waiting: Vec<usize> = first.into_iter().filter(|&index| has_to_run(&packages[index])).collect();
    let configure = |waiting: &mut Vec<usize>, steps: &mut Vec<Step>| {
        if !waiting.is_empty() {
            steps.push(configure_step(waiting.drain(..).map(|index| &packages[index])));
        }
    };
    configure(&mut waiting, &mut steps);
    for index in rest {
        let package = &packages[index];
        let must_wait = || needs.before_preinst(index).iter().any(|need| waiting.contains(need));
        if package.has_script("preinst") && must_wait() {
            configure(&mut waiting, &mut steps);
        }
        steps.extend(enter(package));
        if has_to_run(package) {
            waiting.push(index);
        }
    }
    configure(&mut waiting, &mut steps);
    // Triggers are heard by a `postinst`; a view without any may well be one without dpkg.
    if packages.iter().any(has_to_run) {
        steps.push(script::dpkg("configure what is left, and process triggers", ["--configure".into(), "-a".into()]));
    }
    steps
}

/// Whether dpkg has to configure it; one without `postinst` is installed once its files are there.
pub(super) fn has_to_run(package: &Package<'_>) -> bool {
    package.has_script("postinst")
}

/// dpkg configuring packages in this order; triggers come later, once for all.
fn configure_step<'a>(packages: impl Iterator<Item = &'a Package<'a>>) -> Step {
    let name = |package: &Package<'_>| format!("{}:{}", package.manifest.name, package.manifest.architecture);
    let options = ["--no-triggers".to_owned(), "--configure".to_owned()];
    script::dpkg("configure packages", options.into_iter().chain(packages.map(name)))
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
