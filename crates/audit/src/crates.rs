//! The lists of crates that `cargo auditable` leaves in programs. Format: the `auditable-serde` crate's documentation.

use std::io::Read as _;

use flate2::read::ZlibDecoder;
use serde::Deserialize;

/// The longest list that is read, in bytes of JSON.
const LONGEST: u64 = 8 << 20;

/// A crate in a program.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Only what was needed to build the program: not in it.
    #[serde(default)]
    kind: Kind,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Runtime,
    Build,
}

#[derive(Deserialize)]
struct List {
    packages: Vec<Crate>,
}

/// The crates that are in the program, from the section as it is. `None`: it cannot be read.
pub fn read(packed: &[u8]) -> Option<Vec<Crate>> {
    let list: List = serde_json::from_reader(ZlibDecoder::new(packed).take(LONGEST)).ok()?;
    Some(list.packages.into_iter().filter(|one| one.kind == Kind::Runtime).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn pack(text: &[u8]) -> Vec<u8> {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text).expect("packed");
        packer.finish().expect("packed")
    }

    #[test]
    fn crates_of_programs_are_listed() {
        let list = br#"{"packages":[
            {"name":"adler","version":"0.2.3","source":"registry"},
            {"name":"cc","version":"1.0.1","source":"registry","kind":"build"},
            {"name":"tool","version":"1.0.0-rc.1","source":"local","dependencies":[0,1],"root":true}],"format":1}"#;
        let found = read(&pack(list)).expect("it is a list");
        let found: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.version.as_str())).collect();
        assert_eq!(found, [("adler", "0.2.3"), ("tool", "1.0.0-rc.1")]);
    }

    #[test]
    fn what_is_no_list_or_has_no_end_is_refused() {
        for text in [&b"{}"[..], b"", b"[1]"] {
            assert_eq!(read(&pack(text)), None);
        }
        assert_eq!(read(b"no zlib"), None);
        let list = pack(br#"{"packages":[]}"#);
        assert_eq!(read(&list[..list.len() / 2]), None);
        let bomb = pack(&vec![b' '; 9 << 20]);
        assert_eq!(read(&bomb), None);
    }
}
