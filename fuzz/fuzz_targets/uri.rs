//! Addresses, as sources and lists of mirrors have them, and paths below them.
#![no_main]

use aleph_exchange::{apt::solve::Want, net::Uri};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    let _ = first.parse::<Want>().map(|want| want.to_string());
    let Ok(uri) = first.parse::<Uri>() else { return };
    let shown = uri.to_string();
    let again: Uri = shown.parse().expect("it is an address");
    // It is shown without user name and password, and otherwise whole. What looks like a drive loses the host before it.
    assert_eq!(again.local_path(), uri.local_path());
    assert!(again.to_string() == shown || !uri.is_remote(), "{shown}");
    let joined = uri.join(second);
    assert_eq!((joined.scheme(), joined.host()), (uri.scheme(), uri.host()));
    let _ = (uri.local_path(), joined.local_path(), format!("{uri:?}"));
});
