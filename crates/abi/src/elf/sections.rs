//! The sections of a file, for comparing two of it.

use std::collections::BTreeMap;

use object::{Object as _, ObjectSection as _};

use super::ElfError;

/// The contents of the sections of an ELF file, by name. Of several with one name, the last.
///
/// # Errors
/// If it is none, or a section lies outside of it.
pub fn sections(data: &[u8]) -> Result<BTreeMap<String, &[u8]>, ElfError> {
    let file = object::File::parse(data).map_err(super::damaged("header"))?;
    let mut sections = BTreeMap::new();
    for section in file.sections() {
        let bytes = section.data().map_err(super::damaged("section"))?;
        sections.insert(String::from_utf8_lossy(section.name_bytes().unwrap_or_default()).into_owned(), bytes);
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_have_names_and_contents() {
        let shell = std::fs::read("/bin/sh").unwrap();
        let sections = sections(&shell).unwrap();
        assert!(sections[".text"].len() > 1000 && sections[".bss"].is_empty(), "{:?}", sections.keys());
        assert!(super::sections(b"no file").is_err());
    }
}
