//! A file of apt's configuration, read and interpreted.
#![no_main]

use std::path::Path;

use aleph_exchange::apt::config::{AptConfig, Config, parse_config};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(directives) = parse_config(text) else { return };
    let mut config = Config::default();
    directives.into_iter().for_each(|directive| config.apply(directive));
    let _ = (config.list("Acquire"), config.find_bool("A"), config.find_number("A"));
    let root = Path::new("/nonexistent");
    let config = AptConfig::from_config(config, root, root.join("etc/apt"));
    assert_eq!(config.architectures.first(), Some(&config.architecture));
});
