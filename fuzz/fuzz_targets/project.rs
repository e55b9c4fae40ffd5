//! A project's manifest, read and edited.
#![no_main]

use std::fs;

use aleph_view::{Project, Request};

thread_local! {
    static DIRECTORY: tempfile::TempDir = tempfile::tempdir().expect("a directory");
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    DIRECTORY.with(|directory| {
        fs::write(directory.path().join("aleph.toml"), text).expect("room");
        let Ok(mut project) = Project::read(directory.path()) else { return };
        let mut wanted: Vec<Request> = project.packages.iter().take(2).cloned().collect();
        wanted.push(Request("new".to_owned()));
        project.set_packages(&wanted).expect("what reads can be edited");
        let again = Project::read(directory.path()).expect("it was just written");
        assert!(wanted.iter().all(|request| again.packages.contains(request)));
        assert!(again.packages.iter().all(|request| wanted.contains(request)));
        assert_eq!(again.recommends, project.recommends);
    });
});
