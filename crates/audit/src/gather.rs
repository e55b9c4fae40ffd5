//! Reading advisories from where they lie: OSV records as single files, in directories, and in the archives that OSV's
//! databases are handed out as.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use crate::Advisory;

/// The longest record that is read, in bytes.
const LONGEST: u64 = 16 << 20;
/// The most records that one archive or directory may have.
const MOST: usize = 4_000_000;

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// How many advisories there were.
    pub advisories: u64,
    /// Files that are no record of OSV, the first of them by name.
    pub unread: u64,
    /// The first of these.
    pub first_unread: Option<String>,
}

/// Advisories cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// A file or directory cannot be.
    #[error("`{}` cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An archive is none.
    #[error("`{}` is no archive of advisories", path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: zip::result::ZipError,
    },
}

/// Hands each advisory at `path` to `take`: of a record (`.json`), an archive of records (`.zip`), or a directory of either.
///
/// # Errors
/// If something cannot be read, or `take` fails. A file that is no record is counted and is no error.
pub fn gather<E: From<GatherError>>(
    path: &Path,
    take: &mut dyn FnMut(&Advisory) -> Result<(), E>,
) -> Result<Gathered, E> {
    let mut gathered = Gathered::default();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let failed = |source| GatherError::Io { path: path.clone(), source };
        if fs::metadata(&path).map_err(failed)?.is_dir() {
            let mut below = Vec::new();
            for entry in fs::read_dir(&path).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                // Links are not followed: they might go round in a circle.
                let kind = entry.file_type().map_err(failed)?;
                let is_read =
                    entry.path().extension().is_some_and(|extension| extension == "json" || extension == "zip");
                if kind.is_dir() || (kind.is_file() && is_read) {
                    below.push(entry.path());
                }
            }
            // Of two records with one id the last counts: always the same.
            below.sort();
            open.extend(below.into_iter().rev());
        } else if path.extension().is_some_and(|extension| extension == "zip") {
            archive(&path, &mut gathered, take)?;
        } else {
            let file = File::open(&path).map_err(failed)?;
            record(file, &path.display().to_string(), &mut gathered, take)?.map_err(failed)?;
        }
    }
    Ok(gathered)
}

fn archive<E: From<GatherError>>(
    path: &Path,
    gathered: &mut Gathered,
    take: &mut dyn FnMut(&Advisory) -> Result<(), E>,
) -> Result<(), E> {
    let file = File::open(path).map_err(|source| GatherError::Io { path: path.to_owned(), source })?;
    let failed = |source| GatherError::Archive { path: path.to_owned(), source };
    let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(failed)?;
    for at in 0..archive.len().min(MOST) {
        let member = archive.by_index(at).map_err(failed)?;
        let name = member.name().map_err(failed)?.into_owned();
        if member.is_file() && name.ends_with(".json") {
            record(member, &name, gathered, take)?.map_err(|source| failed(source.into()))?;
        }
    }
    Ok(())
}

fn record<E>(
    reader: impl Read,
    name: &str,
    gathered: &mut Gathered,
    take: &mut dyn FnMut(&Advisory) -> Result<(), E>,
) -> Result<std::io::Result<()>, E> {
    let mut bytes = Vec::new();
    if let Err(error) = reader.take(LONGEST).read_to_end(&mut bytes) {
        return Ok(Err(error));
    }
    match Advisory::from_osv(&bytes) {
        Ok(Some(advisory)) => {
            take(&advisory)?;
            gathered.advisories += 1;
        }
        Ok(None) => {}
        Err(_) => {
            gathered.unread += 1;
            gathered.first_unread.get_or_insert_with(|| name.to_owned());
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const RECORD: &str = r#"{"id": "NAME"}"#;

    #[test]
    fn records_are_found_in_directories_and_archives() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir(path("below")).unwrap();
        fs::write(path("below/one.json"), RECORD.replace("NAME", "one")).unwrap();
        fs::write(path("odd.json"), "[]").unwrap();
        fs::write(path("note.txt"), "nothing").unwrap();
        let mut archive = zip::ZipWriter::new(File::create(path("all.zip")).unwrap());
        for name in ["two", "three"] {
            archive.start_file(format!("{name}.json"), zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(RECORD.replace("NAME", name).as_bytes()).unwrap();
        }
        archive.finish().unwrap();
        let mut ids = Vec::new();
        let gathered = gather::<GatherError>(directory.path(), &mut |advisory| {
            ids.push(advisory.id.clone());
            Ok(())
        });
        assert_eq!(ids, ["two", "three", "one"]);
        let odd = path("odd.json").display().to_string();
        assert_eq!(gathered.unwrap(), Gathered { advisories: 3, unread: 1, first_unread: Some(odd) });
    }

    #[test]
    fn what_is_no_archive_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("all.zip");
        fs::write(&path, "no archive").unwrap();
        let gathered = gather::<GatherError>(&path, &mut |_| Ok(()));
        assert!(matches!(gathered, Err(GatherError::Archive { .. })), "{gathered:?}");
    }
}
