//! Reading the files that hold sources.

use std::{fs, path::Path};

use super::{AptSource, Defaults, SourcesError, parse_deb822_sources, parse_one_line_sources};
use crate::apt::config::AptConfig;

/// The sources of a host.
#[derive(Debug, Default)]
pub struct SourceList {
    /// The sources, in apt's order.
    pub sources: Vec<AptSource>,
    /// The files that cannot be used, and why; their sources are missing.
    pub problems: Vec<SourcesError>,
}

impl AptConfig {
    /// What this configuration adds to sources.
    pub fn source_defaults(&self) -> Defaults {
        Defaults { architecture: self.architecture.clone(), architectures: self.architectures.clone() }
    }
}

/// Reads `sources.list` and the files of `sources.list.d` whose names end in `.list` or `.sources`, by name.
pub fn read_sources(config: &AptConfig) -> SourceList {
    let parts = config.etc("sourceparts", "sources.list.d");
    let files = config.files(config.etc("sourcelist", "sources.list"), &parts, &["list", "sources"]);
    let mut list = SourceList::default();
    for file in files {
        match read_sources_file(&file, &config.source_defaults()) {
            Ok(sources) => list.sources.extend(sources),
            Err(problem) => list.problems.push(problem),
        }
    }
    list
}

/// Reads one file. Its form follows from its name, `.list` or `.sources`, and else from its first words.
///
/// # Errors
/// If it cannot be read or is malformed; the error names the line.
pub fn read_sources_file(file: &Path, defaults: &Defaults) -> Result<Vec<AptSource>, SourcesError> {
    let bytes = fs::read(file).map_err(|source| SourcesError::Io { file: file.to_owned(), source })?;
    let text = String::from_utf8_lossy(&bytes);
    let paragraphs = match file.extension().and_then(|extension| extension.to_str()) {
        Some("list") => false,
        Some("sources") => true,
        _ => !looks_like_one_line(&text),
    };
    match paragraphs {
        true => parse_deb822_sources(&text, file, defaults),
        false => parse_one_line_sources(&text, file, defaults),
    }
}

fn looks_like_one_line(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.next().is_none_or(|line| matches!(line.split([' ', '\t']).next(), Some("deb" | "deb-src")))
}
