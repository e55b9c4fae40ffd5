//! A build that can be carried out: what makes up its `/`, its sources, and what is done.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use aleph_sandbox::workshop::{End, Event, WorkshopError};

use crate::{
    DigestError, Phase, Recipe, copy_directory, environment, phases,
    phases::{CRATES, exports},
    work::{Report, Room, Work, WorkStep, carry_out, installed},
};

/// A build that can be carried out.
#[derive(Clone, Debug)]
pub struct Action<'a> {
    /// How.
    pub recipe: &'a Recipe,
    /// The trees that make up `/`, topmost first.
    pub layers: Vec<PathBuf>,
    /// The sources, in the recipe's order.
    pub sources: Vec<Source>,
    /// The crates that the source's `Cargo.lock` names.
    pub crates: Vec<PathBuf>,
    /// The names of the recipes whose components are in the layers, those that are asked first at the beginning.
    pub around: Vec<&'a str>,
    /// How many things may be done at once; as many as there are processors if that is not said.
    pub jobs: Option<usize>,
    /// The prefix that it is built for.
    pub prefix: String,
    /// Whether the build system's tests are run.
    pub with_tests: bool,
    /// How long one phase may take.
    pub timeout: Duration,
    /// A directory for it alone, which is made. It holds the output afterwards.
    pub scratch: PathBuf,
}

/// Files of a source.
#[derive(Clone, Debug)]
pub struct Source {
    /// Files, which keep their names, and directories, whose contents are taken.
    pub paths: Vec<PathBuf>,
}

/// How a build ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Well.
    Built(Built),
    /// A phase failed.
    Failed {
        /// The phase.
        phase: String,
        /// How it ended.
        end: End,
    },
}

/// What came of a build.
#[derive(Clone, Debug)]
pub struct Built {
    /// The tree that was made for the recipe's prefix.
    pub tree: PathBuf,
    /// The names of the recipes of which a compiler read headers.
    pub headers: BTreeSet<String>,
    /// Processor time of all phases.
    pub cpu: Duration,
    /// The largest process, in KiB.
    pub peak_kib: u64,
}

/// A build could not be carried out. That it failed is no such error.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// Its directories or sources could not be prepared.
    #[error("cannot prepare `{}`", path.display())]
    Prepare {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory of sources could not be copied.
    #[error(transparent)]
    Source(#[from] DigestError),
    /// The sandbox did not come about.
    #[error("cannot build in a sandbox")]
    Sandbox(#[from] WorkshopError),
}

impl Action<'_> {
    /// What is done, in order.
    pub fn phases(&self) -> Vec<Phase> {
        phases(self.recipe, self.with_tests)
    }

    /// Carries it out; `worker` starts this program as a sandbox's worker, `processors` is how many there are. `on_event` is told
    /// what happens.
    ///
    /// # Errors
    /// If it cannot be carried out.
    pub fn run(
        &self,
        processors: usize,
        worker: Command,
        on_event: &mut dyn FnMut(&Work, &Event),
    ) -> Result<Ended, ActionError> {
        let room = Room { layers: self.layers.clone(), upper: self.lay_out()?, work: self.scratch.join("work") };
        let work = self.work();
        let report = carry_out(&work, &room, processors, worker, &mut |event| on_event(&work, event))?;
        Ok(self.ended(report))
    }

    /// What is done, apart from where.
    pub fn work(&self) -> Work {
        let step = |phase: Phase| WorkStep {
            script: self.script(&phase),
            name: phase.name.to_owned(),
            directory: phase.directory,
        };
        Work {
            steps: self.phases().into_iter().map(step).collect(),
            variables: environment(self.recipe, &self.prefix, &self.around),
            jobs: if self.recipe.build.serial { Some(1) } else { self.jobs },
            around: self.around.iter().map(|name| (*name).to_owned()).collect(),
            prefix: self.prefix.clone(),
            timeout: self.timeout,
        }
    }

    /// What a report says, once what was built is where [`Action::tree`] says.
    pub fn ended(&self, report: Report) -> Ended {
        if let (Some(phase), Some(end)) = (&report.failed, report.end()) {
            return Ended::Failed { phase: phase.clone(), end: end.clone() };
        }
        let (cpu, peak_kib) = (report.cpu(), report.peak_kib());
        Ended::Built(Built { tree: self.tree(), headers: report.headers, cpu, peak_kib })
    }

    /// Where what was built is.
    pub fn tree(&self) -> PathBuf {
        installed(&self.upper(), &self.prefix)
    }

    fn upper(&self) -> PathBuf {
        self.scratch.join("upper")
    }

    /// Puts the sources in place, and says in which tree.
    ///
    /// # Errors
    /// If they cannot be copied.
    pub fn lay_out(&self) -> Result<PathBuf, ActionError> {
        let upper = self.upper();
        let make = |path: &Path, mode: u32| {
            let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
            made.map_err(|source| ActionError::Prepare { path: path.to_owned(), source })
        };
        make(&self.scratch, 0o700)?;
        make(&upper, 0o755)?;
        make(&self.scratch.join("work"), 0o755)?;
        let numbered = self.sources.iter().enumerate().map(|(number, source)| (number.to_string(), &source.paths));
        for (name, paths) in numbered.chain([(CRATES.to_owned(), &self.crates)]) {
            let directory = upper.join("sources").join(name);
            make(&directory, 0o755)?;
            for path in paths {
                if path.is_dir() {
                    copy_directory(path, &directory)?;
                } else {
                    let target = directory.join(path.file_name().unwrap_or_default());
                    let copied = fs::copy(path, &target)
                        // Whatever its mode is where it is kept.
                        .and_then(|_| fs::set_permissions(&target, fs::Permissions::from_mode(0o644)));
                    copied.map_err(|source| ActionError::Prepare { path: path.clone(), source })?;
                }
            }
        }
        Ok(upper)
    }

    /// What is done in a phase, as shell, with the recipe's own variables.
    pub fn script(&self, phase: &Phase) -> String {
        format!("{}set -e\n{}", exports(self.recipe), phase.script)
    }

    /// The environment of all phases, where there are that many processors.
    pub fn variables(&self, processors: usize) -> Vec<(String, String)> {
        self.work().environment(processors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_built_by_several_at_once_is_not() {
        let check = |build: &str, jobs, expected: &str| {
            let text = format!("name = 'a'\nversion = '1'\nsummary = 's'\nlicense = 'MIT'\n[build]\n{build}");
            let recipe = Recipe::parse(&text, Path::new("a.toml")).unwrap();
            let action = Action {
                recipe: &recipe,
                layers: Vec::new(),
                sources: Vec::new(),
                crates: Vec::new(),
                around: Vec::new(),
                jobs,
                prefix: "/p".to_owned(),
                with_tests: false,
                timeout: Duration::ZERO,
                scratch: PathBuf::new(),
            };
            let all = action.variables(8);
            let get = |name: &str| all.iter().find(|(known, _)| known == name).unwrap().1.clone();
            assert_eq!((get("MAKEFLAGS"), get("JOBS")), (format!("-j{expected}"), expected.to_owned()), "{build}");
        };
        check("serial = true", None, "1");
        check("serial = true", Some(4), "1");
        check("", Some(4), "4");
        check("", None, "8");
    }
}
