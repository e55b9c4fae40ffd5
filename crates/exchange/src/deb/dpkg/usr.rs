//! Merged `/usr`: `/bin`, `/lib` and their kin are links into `/usr` in every view.

use std::borrow::Cow;

use aleph_component::TreePath;

/// Top directories that are links into `/usr`.
const MERGED: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// Where the tree of a view has what a package calls `path`.
pub fn usr_merged(path: &TreePath) -> Cow<'_, TreePath> {
    match merged(path.as_str()) {
        Cow::Borrowed(_) => Cow::Borrowed(path),
        // Four bytes more may be too many; then the name is kept, and what reads the tree finds it through no link.
        Cow::Owned(text) => TreePath::new(&text).map_or(Cow::Borrowed(path), Cow::Owned),
    }
}

/// Where the tree of a view has what a control file names by an absolute path, such as a conffile.
pub fn view_path(path: &str) -> Option<TreePath> {
    TreePath::new(path.trim_start_matches('/')).ok().map(|path| usr_merged(&path).into_owned())
}

/// The same for a text that is a path.
pub(super) fn merged(path: &str) -> Cow<'_, str> {
    let top = path.split('/').next().unwrap_or_default();
    if MERGED.contains(&top) { Cow::Owned(format!("usr/{path}")) } else { Cow::Borrowed(path) }
}

/// The links at the top of a view's tree: name and target.
pub fn usr_links() -> impl Iterator<Item = (TreePath, String)> {
    MERGED.iter().map(|name| (TreePath::new(name).expect("a name is a path"), format!("usr/{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_merged_directories_move() {
        for (path, expected) in [
            ("lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"),
            ("bin", "usr/bin"),
            ("lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2"),
            ("library/x", "library/x"),
            ("usr/bin/a", "usr/bin/a"),
        ] {
            assert_eq!(usr_merged(&TreePath::new(path).unwrap()).as_str(), expected);
        }
    }
}
