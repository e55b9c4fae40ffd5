//! Source archives, as far as one has to look into them without running anything.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufReader, Read},
    path::{Component, Path, PathBuf},
};

use aleph_component::Digest;

use crate::deb::{Limits, unpack::Packing};

/// The most that is unpacked to look at names. 4 GiB.
const MOST: u64 = 4 << 30;
/// The largest file that is read as a whole.
const LARGEST: u64 = 64 << 20;

/// The names below the one directory that a source archive (tar; gzip, xz, zstd or plain) has at its top. Nothing if it is
/// packed otherwise.
///
/// # Errors
/// If it cannot be read, or is none.
pub fn top_names(archive: &Path) -> io::Result<Option<BTreeSet<String>>> {
    let Some(unpacked) = unpacked(archive)? else { return Ok(None) };
    let mut names = BTreeSet::new();
    for entry in tar::Archive::new(unpacked).entries()? {
        let entry = entry?;
        let path = entry.path()?;
        let below = below_top(&path).to_string_lossy().into_owned();
        if !below.is_empty() && !below.contains('/') {
            names.insert(below);
        }
    }
    Ok(Some(names))
}

/// The contents of a file below the one directory that a source archive has at its top. Nothing if there is none, or the
/// archive is packed otherwise.
///
/// # Errors
/// If the archive cannot be read, or the file is larger than 64 MiB.
pub fn file_in(archive: &Path, file: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(unpacked) = unpacked(archive)? else { return Ok(None) };
    for entry in tar::Archive::new(unpacked).entries()? {
        let entry = entry?;
        if !entry.header().entry_type().is_file() || below_top(&entry.path()?) != file {
            continue;
        }
        if entry.size() > LARGEST {
            return Err(io::Error::other(format!("{} in it is larger than {} MiB", file.display(), LARGEST >> 20)));
        }
        let mut bytes = Vec::new();
        entry.take(LARGEST).read_to_end(&mut bytes)?;
        return Ok(Some(bytes));
    }
    Ok(None)
}

/// What is in an archive, as one stream.
fn unpacked(archive: &Path) -> io::Result<Option<impl Read>> {
    let name = archive.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let packing = match name.rsplit('.').next().unwrap_or_default() {
        "gz" | "tgz" | "crate" => Packing::Gzip,
        "xz" | "txz" => Packing::Xz,
        "zst" => Packing::Zstd,
        "tar" => Packing::Plain,
        _ => return Ok(None),
    };
    Ok(Some(packing.unpack(BufReader::new(File::open(archive)?), true, &Limits::default())?.take(MOST)))
}

/// A path without the directory at the top.
fn below_top(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).skip(1).collect()
}

/// The files of a Debian source package with their SHA-256, by its `.dsc`. Source: Debian Policy, 5.6.24.
pub fn files_of_dsc(text: &str) -> Vec<(String, Digest)> {
    let lines = text.lines().skip_while(|line| !line.starts_with("Checksums-Sha256:")).skip(1);
    let file = |line: &str| {
        let mut words = line.split_whitespace();
        let (digest, _size, name) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
        (!name.contains('/')).then(|| (name.to_owned(), digest))
    };
    lines.take_while(|line| line.starts_with(' ')).filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_source_package_are_told() {
        let digest = Digest::of(b"");
        let text = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nFormat: 3.0 (quilt)\nChecksums-Sha1:\n ab 1 x\n\
             Checksums-Sha256:\n {digest} 12 a_1.orig.tar.gz\n {digest} 1 ../b\n nothing 1 c\nFiles:\n ab 1 x\n"
        );
        assert_eq!(files_of_dsc(&text), [("a_1.orig.tar.gz".to_owned(), digest)]);
        assert_eq!(files_of_dsc("no"), []);
    }

    #[test]
    fn names_at_the_top_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.tar.gz");
        let packed = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(packed);
        for name in ["a-1/configure", "a-1/src/x.c", "./a-1/README"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            archive.append_data(&mut header, name, io::empty()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        let names: Vec<String> = top_names(&path).unwrap().unwrap().into_iter().collect();
        assert_eq!(names, ["README", "configure"]);
        assert_eq!(file_in(&path, Path::new("src/x.c")).unwrap(), Some(Vec::new()));
        assert_eq!(file_in(&path, Path::new("x.c")).unwrap(), None);
        std::fs::write(directory.path().join("b.zip"), "PK").unwrap();
        assert_eq!(top_names(&directory.path().join("b.zip")).unwrap(), None);
        std::fs::write(directory.path().join("c.tar.xz"), "no").unwrap();
        assert!(top_names(&directory.path().join("c.tar.xz")).is_err());
    }
}
