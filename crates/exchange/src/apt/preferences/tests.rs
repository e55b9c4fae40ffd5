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
    let pins = parse_preferences(text).unwrap().0;
    Preferences { native: "amd64".to_owned(), pins, warnings: Vec::new() }
}

fn subject<'a>(package: &'a str, version: &'a str) -> Subject<'a> {
    Subject { package, architecture: "amd64", source: None, version }
}

/// The priority of version 1.2-3 of libx1 in suite stable (bookworm) after `text`.
fn check(text: &str, expected: i32) {
    let found = preferences(text).priority_of(&subject("libx1", "1.2-3"), &suite("stable", "bookworm", 500));
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
    assert_eq!(preferences.priority_of(&subject("y", "1"), &suite("stable", "bookworm", 500)), 50);
    assert_eq!(preferences.priority_of(&subject("y", "1"), &suite("stable", "bookworm", 990)), 990);
    assert!(!preferences.is_silent_about("y"));
}

#[test]
fn one_fitting_suite_of_several_suffices() {
    let pinned = preferences("Package: libx1\nPin: release n=sid\nPin-Priority: 70\n");
    let (stable, sid) = (suite("stable", "bookworm", 500), suite("unstable", "sid", 500));
    let subject = subject("libx1", "1");
    assert_eq!(pinned.priority_among(&subject, [&stable, &sid]), Some(70));
    assert_eq!(pinned.priority_among(&subject, [&stable]), Some(500));
    assert_eq!(pinned.priority_among(&subject, []), None);
    let general = preferences("Package: *\nPin: release n=sid\nPin-Priority: 70\n");
    assert_eq!(general.priority_among(&subject, [&stable, &sid]), Some(500));
}

#[test]
fn sources_count_where_they_are_known() {
    let preferences = preferences("Package: src:x\nPin: version *\nPin-Priority: 7\n");
    let of_source = Subject { source: Some("x"), ..subject("libx1", "1") };
    assert_eq!(preferences.priority_of(&of_source, &suite("stable", "bookworm", 500)), 7);
    assert_eq!(preferences.priority_of(&subject("libx1", "1"), &suite("stable", "bookworm", 500)), 500);
}

#[test]
fn malformed_records() {
    let error = |text: &str| parse_preferences(text).unwrap_err();
    assert_eq!(error("Package: x\n"), PreferencesError::Missing { line: 1, field: "Pin" });
    assert_eq!(error("\nPackage: x\nPin: version\nPin-Priority: 1\n"), PreferencesError::Pin { line: 3 });
    assert_eq!(error("Package: x\nPin: version 1\nPin-Priority: 40000\n"), PreferencesError::Priority { line: 3 });
    assert_eq!(error("Package: x\nPin: version 1\nPin-Priority: never\n"), PreferencesError::Never { line: 3 });
    assert_eq!(error("Package: x\nPin: version 1\nPin-Priority: 0\n"), PreferencesError::Priority { line: 3 });
    assert_eq!(error("x\n"), PreferencesError::Field { line: 1 });
}

/// As in apt, these are told of, and the other records count.
#[test]
fn what_is_not_supported_is_left_out() {
    let text = "Package: /x/\nPin: version 1\nPin-Priority: 1\n\nPackage: x\nPin: realease stable\nPin-Priority: -1\n\n\
                Package: x\nPin: release q=stable\nPin-Priority: 1\n\nPackage: x\nPin: version 1\nPin-Priority: 1\n";
    let (pins, left_out) = parse_preferences(text).unwrap();
    let expected = [
        (1, Unsupported::RegularExpression),
        (5, Unsupported::Kind("realease".to_owned())),
        (9, Unsupported::Condition("q=stable".to_owned())),
    ];
    assert_eq!((pins.len(), left_out), (1, expected.to_vec()));
}

/// Checked against apt's own policy; the manual page has `:native`, too.
#[test]
fn records_are_about_the_native_architecture_unless_they_say_otherwise() {
    let check = |package: &str, architectures: [bool; 3]| {
        let preferences = preferences(&format!("Package: {package}\nPin: release *\nPin-Priority: 7\n"));
        let found = ["amd64", "all", "i386"].map(|architecture| {
            let subject = Subject { architecture, ..subject("libx1", "1") };
            assert!(!preferences.is_silent_about("libx1"));
            preferences.priority_of(&subject, &suite("stable", "bookworm", 500)) == 7
        });
        assert_eq!(found, architectures, "{package}");
    };
    check("libx1", [true, true, false]);
    check("libx1:native", [true, true, false]);
    check("libx1:amd64", [true, true, false]);
    check("libx1:i386", [false, false, true]);
    check("libx1:any", [true, true, true]);
    check("lib*:i?86", [false, false, true]);
    check("src:libx1", [true, true, false]);
    check("src:libx1:any", [true, true, true]);
    check("*", [true, true, true]);
    check("*:i386", [false, false, true]);
}

#[test]
fn never_is_the_last_word() {
    let text =
        "Package: *\nPin: release n=sid\nPin-Priority: never\n\nPackage: libx1\nPin: version *\nPin-Priority: 600\n";
    let preferences = preferences(text);
    let (stable, sid) = (suite("stable", "bookworm", 500), suite("unstable", "sid", 500));
    let subject = subject("libx1", "1");
    assert!(preferences.priority_among(&subject, [&sid]).unwrap() < 0);
    assert_eq!(preferences.priority_among(&subject, [&sid, &stable]), Some(600));
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
