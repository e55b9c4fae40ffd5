//! Lines of `NAME = VALUE` below `[SECTION]`s, as pip and npm have them. Their two dialects differ in what no address has:
//! lines that go on, and quotes.

/// All settings with their section, in their order; later ones count.
pub(super) fn settings(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim();
            return None;
        }
        if line.starts_with(['#', ';']) {
            return None;
        }
        let (name, value) = line.split_once('=')?;
        Some((section, name.trim(), value.trim().trim_matches(['"', '\''])))
    })
}
