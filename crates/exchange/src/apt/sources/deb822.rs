//! The form of paragraphs, as sources.list(5) describes it under "deb822-style".

use std::path::Path;

use super::{AptSource, Defaults, MOST, Mistake, Options, Place, SourcesError, check_components, kind, truth};
use crate::apt::paragraph::{Paragraph, paragraphs};

/// Reads the text of a `.sources` file: for every paragraph one entry per type, URI and suite. `file` is only named in
/// errors and places.
///
/// # Errors
/// At the first paragraph that is malformed.
pub fn parse_deb822_sources(text: &str, file: &Path, defaults: &Defaults) -> Result<Vec<AptSource>, SourcesError> {
    let at = |line| Place { file: file.to_owned(), line };
    let malformed = |line, mistake| SourcesError::Malformed { place: at(line), mistake };
    let mut all = Vec::new();
    for paragraph in paragraphs(text).map_err(|error| malformed(error.line, Mistake::Field))? {
        let found = entries(&paragraph, defaults, &at).map_err(|(line, mistake)| malformed(line, mistake))?;
        all.extend(found);
    }
    Ok(all)
}

type Located = (usize, Mistake);

fn entries(
    paragraph: &Paragraph<'_>,
    defaults: &Defaults,
    at: &dyn Fn(usize) -> Place,
) -> Result<Vec<AptSource>, Located> {
    if let Some(field) = paragraph.field("Enabled")
        && !truth("Enabled", &field.value).map_err(|mistake| (field.line, mistake))?
    {
        return Ok(Vec::new());
    }
    let mut options = Options::default();
    for field in &paragraph.fields {
        options.set(field.name, &field.value).map_err(|mistake| (field.line, mistake))?;
    }
    let types = words(paragraph, "Types", "field Types")?;
    let uris = words(paragraph, "URIs", "field URIs")?;
    let suites = words(paragraph, "Suites", "field Suites")?;
    let components: Vec<String> =
        paragraph.get("Components").unwrap_or("").split_whitespace().map(str::to_owned).collect();
    let each = (components.len() + options.architectures(defaults).len()).max(1);
    let found = [uris.0.len(), suites.0.len(), each].into_iter().fold(types.0.len(), usize::saturating_mul);
    if found > MOST {
        return Err((uris.1, Mistake::TooMany { found }));
    }
    let mut all = Vec::new();
    for word in &types.0 {
        let kind = kind(word).map_err(|mistake| (types.1, mistake))?;
        for uri in &uris.0 {
            for suite in &suites.0 {
                check_components(suite, &components).map_err(|mistake| (suites.1, mistake))?;
                all.push(options.source(kind, uri, suite, &components, (defaults, at(paragraph.line()))));
            }
        }
    }
    Ok(all)
}

fn words<'a>(paragraph: &'a Paragraph<'_>, name: &str, what: &'static str) -> Result<(Vec<&'a str>, usize), Located> {
    let missing = |line| (line, Mistake::Missing(what));
    let field = paragraph.field(name).ok_or_else(|| missing(paragraph.line()))?;
    let words: Vec<_> = field.value.split_whitespace().collect();
    if words.is_empty() { Err(missing(field.line)) } else { Ok((words, field.line)) }
}
