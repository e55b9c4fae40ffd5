//! How much an archive may ask for.

/// What a foreign archive may ask for before it is refused. The defaults are far above what real packages need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that the control archive may unpack to.
    pub control: u64,
    /// Bytes that the data archive may unpack to.
    pub data: u64,
    /// Bytes that an archive may unpack to for each packed byte, once it is above [`Limits::ratio_free`].
    pub ratio: u64,
    /// Unpacked bytes below which the ratio is not looked at.
    pub ratio_free: u64,
    /// Names in one archive, those of directories included that it only implies.
    pub entries: u64,
    /// Bytes of all names and link targets in one archive.
    pub names: u64,
    /// Bytes of memory that a decompressor may ask for. `xz -9` needs 65 MiB, and dpkg's own zstd at most 128 MiB.
    pub memory: u64,
    /// Bytes of all changelogs together, unpacked, that are searched for CVE ids.
    pub changelog: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            control: 64 << 20,
            data: 64 << 30,
            ratio: 1000,
            ratio_free: 256 << 20,
            entries: 500_000,
            names: 64 << 20,
            memory: 192 << 20,
            changelog: 64 << 20,
        }
    }
}
