//! `cargo xtask test`.

use crate::{
    setup,
    tool::{Outcome, cargo, run, succeeds},
};

/// Installs what the tests need and runs all of them, or those that the arguments select; documentation's tests with all.
pub(crate) fn test(arguments: &[String]) -> Outcome {
    let (own, arguments): (Vec<String>, Vec<String>) =
        arguments.iter().cloned().partition(|argument| argument == "--no-setup");
    if own.is_empty() {
        setup::for_tests().map_err(|error| format!("{error}\n  `--no-setup` runs the tests without"))?;
    }
    let plan = Plan::from_arguments(&arguments);
    if !succeeds(cargo().args(["nextest", "--version"])) {
        return run(cargo().arg("test").args(&plan.packages).args(&plan.others));
    }
    // Nextest runs no documentation tests. They come first, so that the runner's summary comes last.
    let documentation = match arguments.is_empty() {
        true => run(cargo().args(["test", "--doc", "--quiet", "--workspace"])),
        false => Ok(()),
    };
    run(cargo().args(["nextest", "run", "--no-fail-fast"]).args(&plan.packages).args(&plan.others))?;
    documentation
}

/// Which packages are tested, and what else is passed on.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    packages: Vec<String>,
    others: Vec<String>,
}

impl Plan {
    fn from_arguments(arguments: &[String]) -> Self {
        let (mut packages, mut others) = (Vec::new(), Vec::new());
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--" => {
                    others.push(argument.clone());
                    others.extend(arguments.by_ref().cloned());
                }
                "-p" | "--package" => {
                    packages.push(argument.clone());
                    packages.extend(arguments.next().cloned());
                }
                _ if argument.starts_with("--package=") || argument == "--workspace" => packages.push(argument.clone()),
                _ => others.push(argument.clone()),
            }
        }
        if packages.is_empty() {
            packages.push("--workspace".to_owned());
        }
        Self { packages, others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &str, packages: &str, others: &str) {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let expected = Plan { packages: words(packages), others: words(others) };
        assert_eq!(Plan::from_arguments(&words(arguments)), expected);
    }

    #[test]
    fn arguments_reach_the_runner() {
        check("", "--workspace", "");
        check("-p aleph-store", "-p aleph-store", "");
        check("--package=aleph-store gc --release", "--package=aleph-store", "gc --release");
        check("gc -- -p", "--workspace", "gc -- -p");
    }
}
