//! Reads the headers below a directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{Headers, LARGEST};

/// Why headers could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the headers in {}", path.display())]
pub struct ReadError {
    /// What could not be read.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

const EXTENSIONS: &[&str] = &["h", "hh", "hpp", "hxx", "h++", "inc", "ipp", "tcc"];

/// More levels of directories than these are a mistake.
const DEEPEST: usize = 64;

/// Reads all headers below a directory: files named `.h`, `.hh`, `.hpp`, `.hxx`, `.h++`, `.inc`, `.ipp` or `.tcc`, and
/// those without an extension. Symbolic links to files are followed, those to directories are not.
///
/// # Errors
///
/// A directory or a file that cannot be read, except a link to nothing.
pub fn read_directory(root: &Path) -> Result<Headers, ReadError> {
    let mut files = Vec::new();
    find(root, 0, &mut files)?;
    let mut contents = Vec::new();
    for path in files {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        contents.push((name, read(&path)?));
    }
    Ok(Headers::parse(contents))
}

/// The content, or so much of it that it is known to be too large.
fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    use io::Read;
    let mut bytes = Vec::new();
    let read = |bytes: &mut Vec<u8>| fs::File::open(path)?.take(LARGEST as u64 + 1).read_to_end(bytes);
    read(&mut bytes).map_err(|source| ReadError { path: path.to_owned(), source })?;
    Ok(bytes)
}

fn find(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), ReadError> {
    let fail = |source| ReadError { path: directory.to_owned(), source };
    if depth > DEEPEST {
        return Err(fail(io::Error::other("the directories are nested too deeply")));
    }
    let mut entries = fs::read_dir(directory).map_err(fail)?.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().map_err(fail)?.is_dir() {
            find(&path, depth + 1, files)?;
        } else if is_header(&path) && path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn is_header(path: &Path) -> bool {
    path.extension().is_none_or(|extension| EXTENSIONS.iter().any(|known| extension == *known))
}
