//! Upkeep of the project: what is run by hand and by continuous integration, on a fresh machine too.

mod bench;
mod check;
mod fuzz;
mod setup;
mod test;
mod tool;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  test [--no-setup] [ARGUMENT...]  install what the tests need, then run all tests;
                                   arguments go to the test runner
  check                            formatting, clippy, fuzzers, documentation, dependencies
  ci                               check, then test
  fuzz [NAME...] [--seconds N]     run the fuzzers of the parsers, or those named, for 60 or N seconds each
  bench [NAME...] [--work DIR] [--rounds N] [--aleph FILE]
                                   compare with other tools side by side and rewrite BENCHMARKS.md
  bench --list                     name the comparisons
  setup [--bench]                  install what the tests (or the comparisons) need and nothing else
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = arguments.split_first().map_or(("help", &[][..]), |(first, rest)| (first.as_str(), rest));
    let outcome = match command {
        "test" => test::test(rest),
        "check" => check::check(),
        "ci" => check::check().and_then(|()| test::test(rest)),
        "fuzz" => fuzz::fuzz(rest),
        "bench" => bench::bench(rest),
        "setup" if rest == ["--bench"] => setup::for_comparisons(),
        "setup" if rest.is_empty() => setup::for_tests(),
        "help" | "-h" | "--help" => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("xtask: cannot {}\n\n{USAGE}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
