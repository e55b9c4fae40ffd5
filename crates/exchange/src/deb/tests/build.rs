//! Makes archives, also such as no tool would make.

use std::io::Write as _;

/// A control file that is fine.
pub(super) const CONTROL: &str = "Package: small\nVersion: 1.0-1\nArchitecture: all\nMaintainer: Somebody\n\
    Depends: other (>= 1)\nDescription: a small package\n It does little.\n";

/// A tar archive under construction; headers are written as told, whether that makes sense or not.
#[derive(Clone, Default)]
pub(super) struct Tar(Vec<u8>);

impl Tar {
    /// One entry with every field free.
    pub(super) fn raw(
        mut self,
        name: &[u8],
        target: &[u8],
        adjust: impl FnOnce(&mut tar::Header),
        bytes: &[u8],
    ) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(bytes.len() as u64);
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
        adjust(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn kind(self, kind: u8, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), target.as_bytes(), |header| header.set_entry_type(tar::EntryType::new(kind)), b"")
    }

    pub(super) fn file(self, name: &str, text: &str) -> Self {
        self.raw(name.as_bytes(), b"", |_| (), text.as_bytes())
    }

    pub(super) fn directory(self, name: &str) -> Self {
        self.raw(
            name.as_bytes(),
            b"",
            |header| {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
            },
            b"",
        )
    }

    pub(super) fn symlink(self, name: &str, target: &str) -> Self {
        self.kind(b'2', name, target)
    }

    pub(super) fn hard_link(self, name: &str, target: &str) -> Self {
        self.kind(b'1', name, target)
    }

    /// A GNU long name (`L`) or long target (`K`) for the entry that comes next.
    pub(super) fn long(self, kind: u8, text: &[u8]) -> Self {
        let set = |header: &mut tar::Header| header.set_entry_type(tar::EntryType::new(kind));
        self.raw(b"././@LongLink", b"", set, &[text, b"\0"].concat())
    }

    /// The archive, closed by two empty blocks.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }

    /// The archive without its closing blocks.
    pub(super) fn unclosed(self) -> Vec<u8> {
        self.0
    }
}

/// A control archive with a control file and other members.
pub(super) fn control(text: &str, members: &[(&str, &str)]) -> Vec<u8> {
    let tar = Tar::default().directory("./").file("./control", text);
    members.iter().fold(tar, |tar, (name, text)| tar.file(&format!("./{name}"), text)).end()
}

/// An `ar` archive of members.
pub(super) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = ar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mode(0o100644);
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

/// A package of these two inner archives, not compressed.
pub(super) fn deb(control: &[u8], data: &[u8]) -> Vec<u8> {
    ar(&[("debian-binary", b"2.0\n"), ("control.tar", control), ("data.tar", data)])
}

/// A package with a fine control archive and this data.
pub(super) fn with_data(data: Tar) -> Vec<u8> {
    deb(&control(CONTROL, &[]), &data.end())
}

pub(super) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}
