//! A recipe: what reads is written as the same recipe, has phases, and asks for nothing outside of its directory.
#![no_main]

use std::path::Path;

use aleph_build::{Patches, Recipe, environment, phases};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(recipe) = Recipe::parse(text, Path::new("recipes")) else { return };
    let json = serde_json::to_string(&recipe).expect("a recipe has only string keys");
    assert_eq!(serde_json::from_str::<Recipe>(&json).expect("it was just written"), recipe);
    assert!(!phases(&recipe, true).is_empty());
    assert!(environment(&recipe, "/p", &["zlib"]).iter().all(|(name, _)| !name.contains('=')));
    for source in &recipe.sources {
        if let Some(file) = source.origin().and_then(|origin| origin.file()) {
            assert!(!file.contains('/') && !file.is_empty());
        }
        if let Patches::Files(files) = &source.patches {
            assert!(files.iter().all(|file| !file.starts_with('/') && !file.contains("../")));
        }
    }
});
