//! Checks of preferences.

use super::*;
use crate::apt::update::Trust;

fn suite(name: &str, codename: &str, priority: i32) -> Suite {
    Suite {
        id: name.to_owned(),
        origin: "Debian".to_owned(),
        label: "Debian-Security".to_owned(),
        suite: name.to_owned(),
        codename: codename.to_owned(),
        version: "12.1".to_owned(),
        component: "main".to_owned(),
        architecture: "amd64".to_owned(),
        base_uri: "http://mirror.example:8080/debian".to_owned(),
        mirrors: Vec::new(),
        priority,
        packages: PathBuf::new(),
        trust: Trust::Unverified,
        date: None,
    }
}

fn preferences(text: &str) -> Preferences {
    Preferences { pins: parse_preferences(text).unwrap().0, warnings: Vec::new() }
}

/// The priority of version 1.2-3 of libx1 in suite stable (bookworm) after `text`.
fn check(text: &str, expected: i32) {
    let found = preferences(text).priority("libx1", "1.2-3", &suite("stable", "bookworm", 500));
    assert_eq!(found, expected, "{text}");
}

#[test]
fn the_first_fitting_record_decides() {
    check("", 500);
    check("Package: libx1\nPin: version 1.2*\nPin-Priority: 1001\n", 1001);
    check("Package: libx1\nPin: version 1.3*\nPin-Priority: 1001\n", 500);
    check("Package: other libx*\nPin: release a=stable, o=Debian\nPin-Priority: -1\n", -1);
    check("Package: libx1:any\nPin: release n=bookworm,l=Debian-Security,c=main,v=12*,b=amd64\nPin-Priority: 7\n", 7);
    check("Package: libx1\nPin: release a=stable,o=Other\nPin-Priority: 7\n", 500);
    check("Package: libx1\nPin: release bookworm\nPin-Priority: 7\n", 7);
    check("Package: libx1\nPin: release 12.1\nPin-Priority: 7\n", 7);
    check("Package: *\nPin: origin \"mirror.example\"\nPin-Priority: 7\n", 7);
    check("Package: *\nPin: origin \"\"\nPin-Priority: 7\n", 500);
    check("Package: *\nPin: version 1*\nPin-Priority: 7\n", 500);
    check("Package: libx1\nPin: release o=debian,n=BOOK*\nPin-Priority: 7\n", 7);
    check("Package: LIBX1\nPin: version *\nPin-Priority: 7\n", 500);
    check("Package: libx1, y\nPin: version *\nPin-Priority: 7\n", 500);
    check("Package: libx1\nPin: release a=bookworm\nPin-Priority: 7\n", 500);
    check("Package: src:libx1\nPin: version 1.2-3\nPin-Priority: 7\n", 7);
}

#[test]
fn records_about_one_package_precede_those_about_all() {
    let text = "Package: *\nPin: release a=stable\nPin-Priority: 50\n\nPackage: libx1\nPin: release a=stable\nPin-Priority: 60\n";
    check(text, 60);
    let preferences = preferences(text);
    assert_eq!(preferences.priority("y", "1", &suite("stable", "bookworm", 500)), 50);
    assert_eq!(preferences.priority("y", "1", &suite("stable", "bookworm", 990)), 990);
    assert!(!preferences.is_silent_about("y"));
}

#[test]
fn one_fitting_suite_of_several_suffices() {
    let pinned = preferences("Package: libx1\nPin: release n=sid\nPin-Priority: 70\n");
    let (stable, sid) = (suite("stable", "bookworm", 500), suite("unstable", "sid", 500));
    let subject = Subject { package: "libx1", source: None, version: "1" };
    assert_eq!(pinned.priority_among(&subject, [&stable, &sid]), Some(70));
    assert_eq!(pinned.priority_among(&subject, [&stable]), Some(500));
    assert_eq!(pinned.priority_among(&subject, []), None);
    let general = preferences("Package: *\nPin: release n=sid\nPin-Priority: 70\n");
    assert_eq!(general.priority_among(&subject, [&stable, &sid]), Some(500));
}

#[test]
fn sources_count_where_they_are_known() {
    let preferences = preferences("Package: src:x\nPin: version *\nPin-Priority: 7\n");
    let subject = Subject { package: "libx1", source: Some("x"), version: "1" };
    assert_eq!(preferences.priority_of(&subject, &suite("stable", "bookworm", 500)), 7);
    assert_eq!(preferences.priority("libx1", "1", &suite("stable", "bookworm", 500)), 500);
}

#[test]
fn malformed_records() {
    let error = |text: &str| parse_preferences(text).unwrap_err();
    assert_eq!(error("Package: x\n"), PreferencesError::Missing { line: 1, field: "Pin" });
    assert_eq!(error("\nPackage: x\nPin: y z\nPin-Priority: 1\n"), PreferencesError::Pin { line: 3 });
    assert_eq!(error("Package: x\nPin: version 1\nPin-Priority: 0\n"), PreferencesError::Priority { line: 3 });
    assert_eq!(error("x\n"), PreferencesError::Field { line: 1 });
    let (pins, left_out) = parse_preferences("Package: /x/\nPin: version 1\nPin-Priority: 1\n").unwrap();
    assert_eq!((pins.len(), left_out), (0, vec![1]));
}

#[test]
fn files_below_a_root() {
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc/apt/preferences.d");
    fs::create_dir_all(&etc).unwrap();
    fs::write(etc.join("a"), "Package: x\nPin: version 1\nPin-Priority: 1\n").unwrap();
    fs::write(etc.join("b.pref"), "broken\n").unwrap();
    fs::write(etc.join("c.disabled"), "broken\n").unwrap();
    let found = Preferences::read(&AptConfig::read(root.path(), None).unwrap());
    assert_eq!((found.pins.len(), found.warnings.len()), (1, 1));
}

proptest::proptest! {
    #[test]
    fn nothing_panics(text in "(Package|Pin|Pin-Priority|version|release|[ :=,/\"*a1\\n-])*") {
        let _ = parse_preferences(&text);
    }
}
