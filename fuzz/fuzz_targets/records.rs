//! What the store keeps as text: the first byte says which.
#![no_main]

use std::fmt::Debug;

use aleph_component::{Manifest, read_listing, write_listing};
use aleph_store::Features;
use aleph_view::{Generation, RunLayers, ViewRecord};
use serde::{Serialize, de::DeserializeOwned};

fn check<T: Debug + PartialEq + Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(record) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&record).expect("it was read");
    assert_eq!(serde_json::from_slice::<T>(&written).expect("it was just written"), record);
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    match which % 6 {
        0 => {
            let Ok(manifest) = Manifest::from_bytes(bytes) else { return };
            let _ = (manifest.size(), manifest.field("Depends"));
            let written = manifest.to_bytes();
            let again = Manifest::from_bytes(&written).expect("it was just written");
            assert_eq!(again, manifest);
            assert_eq!(again.to_bytes(), written);
        }
        1 => {
            let Some(Ok(entries)) = std::str::from_utf8(bytes).ok().map(read_listing) else { return };
            assert_eq!(read_listing(&write_listing(&entries)).expect("it was just written"), entries);
        }
        2 => check::<Features>(bytes),
        3 => check::<Generation>(bytes),
        4 => check::<RunLayers>(bytes),
        _ => check::<ViewRecord>(bytes),
    }
});
