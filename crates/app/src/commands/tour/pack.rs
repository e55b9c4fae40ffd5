//! Writes Debian packages: just enough for those that the tour makes itself.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

/// A file of a package.
pub(super) struct Member {
    /// Where it belongs, without a leading slash.
    pub(super) path: String,
    /// What it holds.
    pub(super) bytes: Vec<u8>,
}

/// A package to write.
pub(super) struct Pack<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) architecture: &'a str,
    /// The field `Depends`; left out if empty.
    pub(super) depends: String,
    /// One line.
    pub(super) summary: &'a str,
    /// The sonames that it promises to others, as deb-shlibs(5) has them; left out if empty.
    pub(super) shlibs: &'a str,
    /// Programs and libraries; all are executable.
    pub(super) files: Vec<Member>,
}

impl Pack<'_> {
    /// The archive's file name, as `dpkg-deb` would choose it.
    pub(super) fn file_name(&self) -> String {
        format!("{}_{}_{}.deb", self.name, self.version, self.architecture)
    }

    /// Writes the archive into `directory`.
    pub(super) fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        let path = directory.join(self.file_name());
        let text = |name: &str, text: &str| Member { path: name.to_owned(), bytes: text.as_bytes().to_vec() };
        let mut control = vec![text("control", &self.control())];
        if !self.shlibs.is_empty() {
            control.push(text("shlibs", self.shlibs));
        }
        let control = tarball(&control, 0o644)?;
        let data = tarball(&self.files, 0o755)?;
        let mut archive = ar::Builder::new(File::create(&path)?);
        for (name, bytes) in [("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", &control), ("data.tar.gz", &data)] {
            let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
            header.set_mode(0o100_644);
            archive.append(&header, bytes)?;
        }
        archive.into_inner()?.sync_all()?;
        Ok(path)
    }

    fn control(&self) -> String {
        let Self { name, version, architecture, depends, summary, .. } = self;
        let depends = if depends.is_empty() { String::new() } else { format!("Depends: {depends}\n") };
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: aleph tour\n\
             {depends}Description: {summary}\n"
        )
    }
}

/// A packed tar archive with these files and the directories above them.
fn tarball(files: &[Member], mode: u32) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut made = std::collections::BTreeSet::new();
    let mut append = |path: &str, kind: tar::EntryType, mode: u32, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        header.set_mtime(1);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, path, bytes)
    };
    for Member { path, bytes } in files {
        for (slash, _) in path.match_indices('/') {
            if made.insert(&path[..slash]) {
                append(&format!("./{}/", &path[..slash]), tar::EntryType::Directory, 0o755, &[])?;
            }
        }
        append(&format!("./{path}"), tar::EntryType::Regular, mode, bytes)?;
    }
    let mut packed = archive.into_inner()?.finish()?;
    packed.flush()?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn an_archive_holds_its_control_file_and_its_files_in_directories() {
        let directory = tempfile::tempdir().unwrap();
        let file = |path: &str| Member { path: path.to_owned(), bytes: path.as_bytes().to_vec() };
        let long = format!("usr/{}/file", "deep/".repeat(30));
        let pack = Pack {
            name: "one",
            version: "1.0-1",
            architecture: "amd64",
            depends: "two (>= 1)".to_owned(),
            summary: "a test",
            shlibs: "",
            files: vec![file("usr/bin/one"), file(&long)],
        };
        let path = pack.write(directory.path()).unwrap();
        assert_eq!(path.file_name().unwrap(), "one_1.0-1_amd64.deb");
        let mut members = Vec::new();
        let mut archive = ar::Archive::new(File::open(path).unwrap());
        while let Some(entry) = archive.next_entry() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            members.push((String::from_utf8_lossy(entry.header().identifier()).into_owned(), bytes));
        }
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["debian-binary", "control.tar.gz", "data.tar.gz"]);
        let control = listed(&members[1].1);
        assert_eq!(control.len(), 1);
        assert!(control[0].1.contains("Package: one\nVersion: 1.0-1\nArchitecture: amd64\n"), "{}", control[0].1);
        assert!(control[0].1.ends_with("Depends: two (>= 1)\nDescription: a test\n"), "{}", control[0].1);
        let data = listed(&members[2].1);
        assert_eq!(data.iter().filter(|(path, _)| path == "usr/").count(), 1);
        assert_eq!(data.iter().find(|(path, _)| *path == long).unwrap().1, long);
    }

    fn listed(packed: &[u8]) -> Vec<(String, String)> {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed));
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string().trim_start_matches("./").to_owned();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((path, text));
        }
        found
    }
}
