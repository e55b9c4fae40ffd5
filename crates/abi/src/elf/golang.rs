//! What Go's linker leaves in a program: the compiler's version, and the modules that are in it.
//!
//! Source: `debug/buildinfo` of Go. Since 1.18 both texts are inline, each with its length as a varint before it; older
//! programs have pointers instead, of which only the presence is told.

/// The magic of `.go.buildinfo`, a pointer size, flags; then 16 bytes that once were pointers.
const MAGIC: &[u8] = b"\xff Go buildinf:";
const HEADER: usize = 32;
const INLINE: u8 = 2;
/// Marks around the list of modules.
const SENTINEL: usize = 16;

/// A Go program.
pub(super) struct BuildInfo {
    /// `go1.22.3`; empty where it is not inline.
    pub(super) compiler: String,
    /// Path and version of each module.
    pub(super) modules: Vec<(String, String)>,
}

/// Reads `.go.buildinfo`.
pub(super) fn read(section: &[u8]) -> Option<BuildInfo> {
    let header = section.get(..HEADER).filter(|header| header.starts_with(MAGIC))?;
    let empty = BuildInfo { compiler: String::new(), modules: Vec::new() };
    if header.get(15)? & INLINE == 0 {
        return Some(empty);
    }
    let Some((compiler, rest)) = text(&section[HEADER..]) else { return Some(empty) };
    let compiler = String::from_utf8_lossy(compiler).into_owned();
    let modules = text(rest).and_then(|(modules, _)| modules.get(SENTINEL..modules.len().checked_sub(SENTINEL)?));
    Some(BuildInfo { compiler, modules: modules.map(list).unwrap_or_default() })
}

/// A length as a varint, and as many bytes.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0usize;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..)?.split_at_checked(length);
        }
    }
    None
}

/// `mod PATH VERSION SUM` for the program, `dep …` for what is in it, `=> …` for what stands for the one before.
fn list(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let mut modules = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let (Some(kind), Some(path)) = (fields.next(), fields.next()) else { continue };
        let module = (path.to_owned(), fields.next().unwrap_or_default().to_owned());
        match kind {
            "mod" | "dep" => modules.push(module),
            "=>" => {
                modules.pop();
                modules.push(module);
            }
            _ => {}
        }
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_texts_are_read_and_cut_ones_are_not() {
        let modules = "path\tx\nmod\texample.org/x\t(devel)\t\ndep\ta\tv1\th1:\n=>\tb\tv2\th1:\n";
        let mut section = [MAGIC, &[8, INLINE], &[0; 16]].concat();
        section.extend([6u8].iter().chain(b"go1.22"));
        let length = 32 + modules.len();
        section.extend([0x80 | u8::try_from(length & 0x7f).unwrap(), u8::try_from(length >> 7).unwrap()]);
        section.extend([&[1; 16][..], modules.as_bytes(), &[2; 16]].concat());
        let found = read(&section).unwrap();
        assert_eq!(found.compiler, "go1.22");
        let pair = |(path, version): &(String, String)| format!("{path}={version}");
        assert_eq!(found.modules.iter().map(pair).collect::<Vec<_>>(), ["example.org/x=(devel)", "b=v2"]);
        for end in 0..section.len() {
            assert!(read(&section[..end]).is_none_or(|found| found.modules.is_empty()), "cut at {end}");
        }
    }
}
