//! Where the debug information of a case's libraries is.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use crate::{build::tool, case::Side};

/// The places where debug information can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the libraries.
    Inside,
    /// In files beside them, named by a debug link.
    Link,
    /// In a directory, by build id.
    BuildId,
    /// In the libraries, what both sides share in a third file (as made by dwz).
    Shared,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "link" => Ok(Self::Link),
            "build-id" => Ok(Self::BuildId),
            "shared" => Ok(Self::Shared),
            _ => Err(format!("debug information is not in {text:?}")),
        }
    }
}

impl Place {
    /// What the linker of a side is told.
    pub(crate) fn linker_flag(self, side: Side) -> Option<String> {
        let id = build_id(side);
        (self == Self::BuildId).then(|| format!("-Wl,--build-id=0x{id}"))
    }

    /// Puts the debug information of the whole libraries there; of each there is a stripped copy.
    pub(crate) fn move_to(self, directory: &Path, full: [PathBuf; 2], stripped: [PathBuf; 2]) -> Result<(), String> {
        let pairs = full.iter().zip(&stripped);
        match self {
            Self::Inside => Ok(()),
            Self::Link => pairs.into_iter().try_for_each(|(full, stripped)| {
                let debug = PathBuf::from(format!("{}.debug", full.display()));
                detach(full, &debug)?;
                let link = format!("--add-gnu-debuglink={}", debug.display());
                tool(Command::new("objcopy").arg(link).arg(stripped).arg(full))
            }),
            Self::BuildId => [Side::Old, Side::New].into_iter().zip(pairs).try_for_each(|(side, (full, stripped))| {
                let id = build_id(side);
                let directory = directory.join(".build-id").join(&id[..2]);
                fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
                detach(full, &directory.join(format!("{}.debug", &id[2..])))?;
                fs::copy(stripped, full).map(|_| ()).map_err(|error| error.to_string())
            }),
            Self::Shared => {
                fs::create_dir_all(directory).map_err(|error| error.to_string())?;
                tool(Command::new("dwz").arg("-r").arg("-m").arg(directory.join("shared.debug")).args(full))
            }
        }
    }
}

fn build_id(side: Side) -> String {
    let byte = if side == Side::Old { "0d" } else { "4e" };
    byte.repeat(20)
}

/// Moves debug information out of a file, as distributions do.
fn detach(full: &Path, debug: &Path) -> Result<(), String> {
    tool(Command::new("objcopy").arg("--only-keep-debug").arg(full).arg(debug))?;
    fs::remove_file(full).map_err(|error| error.to_string())
}
