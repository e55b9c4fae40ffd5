//! `aleph init`.

use std::process::ExitCode;

use aleph_view::Project;
use serde_json::json;

use crate::{failure::Outcome, host::Host, output::Printer};

/// Makes the current directory a project.
pub(crate) fn init(host: &Host, printer: &Printer) -> Outcome {
    if host.global.dry_run {
        printer.answer("init-plan", &json!({ "directory": host.cwd }), |_| String::new());
        printer.note("would write aleph.toml here");
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::create(&host.cwd)?;
    printer.answer("init", &json!({ "manifest": project.manifest() }), |_| String::new());
    printer.note(&format!("wrote {}; `aleph add PACKAGE` here adds to it", project.manifest().display()));
    Ok(ExitCode::SUCCESS)
}
