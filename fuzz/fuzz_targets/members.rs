//! The lists among a package's control members, and a changelog: `md5sums`, `conffiles`, and the two kinds of changelog.
#![no_main]

use aleph_fuzz::{CONTROL, deb, import, parts, tar};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [md5sums, conffiles, changelog, packed] = parts(data);
    let control = tar(&[("control", CONTROL.as_bytes()), ("md5sums", md5sums), ("conffiles", conffiles)]);
    let document = |name| format!("usr/share/doc/small/{name}");
    let files = [(document("changelog.Debian"), changelog), (document("NEWS.gz"), packed)];
    let data = tar(&files.each_ref().map(|(name, bytes)| (name.as_str(), *bytes)));
    let Some(manifest) = import(&deb(("", &control), ("", &data))) else { return };
    assert!(manifest.conffiles.iter().all(|path| path.starts_with('/') && !path.contains('\n')));
    assert!(manifest.cves.is_sorted_by(|a, b| a < b));
    for id in &manifest.cves {
        let mut words = id.split('-');
        assert_eq!(words.next(), Some("CVE"));
        assert!(words.all(|word| word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_digit())), "{id}");
    }
});
