//! Checks of the reading of apt's configuration.

use std::{fs, path::Path, time::Duration};

use super::*;
use crate::net::{Credential, Proxy, Scheme, Uri};

fn check(text: &str, expected: &[(&str, &str)]) {
    let found: Vec<_> = parse_config(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .into_iter()
        .map(|directive| match directive {
            Directive::Set { key, value } => (key, value),
            Directive::Clear { key } => ("#clear".to_owned(), key),
            Directive::Include { path } => ("#include".to_owned(), path),
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn statements_scopes_lists_and_comments() {
    check("A::B \"c\";", &[("A::B", "c")]);
    check("A { B \"c\"; D { \"e\"; \"f\"; }; };", &[("A::B", "c"), ("A::D::", "e"), ("A::D::", "f")]);
    check("A \"v\" { B x; }", &[("A", "v"), ("A::B", "x")]);
    check("// c\n# d\n/* e\n f */ A \"b\"; // g\n", &[("A", "b")]);
    check("A::http::Proxy http://proxy.example:3128/; // c", &[("A::http::Proxy", "http://proxy.example:3128/")]);
    check("A \"b // c\" \"# d\";", &[("A", "b // c # d")]);
    check("#clear A::B;\n#include \"x\";", &[("#clear", "A::B"), ("#include", "x")]);
    check("A::L:: \"x\"; A::L:: \"y\";", &[("A::L::", "x"), ("A::L::", "y")]);
    check("A {\"b\";};", &[("A::", "b")]);
    check("A::Proxy::\"host.example\" \"DIRECT\";", &[("A::Proxy::host.example", "DIRECT")]);
    check("A { \"1\" };", &[("A::", "1")]);
    check("A {\n B \"1\"; C\n \"2\";\n};", &[("A::B", "1"), ("A::C", "2")]);
    check("A::U \"a;b{c}%41\";", &[("A::U", "a;b{c}%41")]);
    check(";;", &[]);
}

#[test]
fn malformed_texts_name_the_line() {
    assert_eq!(parse_config("A \"b\";\n}"), Err(ParseConfigError::Unopened { line: 2 }));
    assert_eq!(parse_config("\nA \"b\""), Err(ParseConfigError::Unfinished { line: 2 }));
    assert_eq!(parse_config("A {"), Err(ParseConfigError::Unfinished { line: 1 }));
    assert_eq!(parse_config("A \"b"), Err(ParseConfigError::Unterminated { line: 1 }));
    assert_eq!(parse_config(&"A {".repeat(1000)), Err(ParseConfigError::Key { line: 1 }));
    assert_eq!(parse_config(&format!("\n{} b;", "A".repeat(2000))), Err(ParseConfigError::Key { line: 2 }));
    assert_eq!(parse_config("A b c;"), Err(ParseConfigError::Junk { line: 1, key: "A".to_owned() }));
}

fn config(text: &str) -> AptConfig {
    let mut config = Config::default();
    parse_config(text).unwrap().into_iter().for_each(|directive| config.apply(directive));
    AptConfig::from_config(config, Path::new("/nowhere"), "/nowhere/etc/apt".into())
}

#[test]
fn values_are_replaced_cleared_and_listed() {
    let config =
        config("A::B \"1\"; a::b \"2\"; L:: \"x\"; L:: \"y\"; C::D \"1\"; #clear C; M \"p, q\"; E \"yes\";").config;
    assert_eq!(config.find("A::B"), Some("2"));
    assert_eq!(config.list("L"), ["x", "y"]);
    assert_eq!(config.list("M"), ["p", "q"]);
    assert_eq!(config.find("C::D"), None);
    assert_eq!(config.find_bool("E"), Some(true));
}

#[test]
fn connections_are_set_up_as_apt_would() {
    let config = config(
        "Acquire { Retries \"5\"; http { Proxy \"http://proxy.example:3128\"; Timeout \"7\";
           Proxy::direct.example \"DIRECT\"; };
           https { CaInfo \"/etc/ca.pem\"; Verify-Peer::odd.example \"false\"; }; http::Proxy-Auto-Detect \"/usr/bin/x\"; };",
    );
    let options = |uri: &str| config.network.options(&uri.parse::<Uri>().unwrap());
    let proxy = Some(Proxy::Url("http://proxy.example:3128".to_owned()));
    assert_eq!(config.network.retries, 5);
    assert_eq!(options("http://mirror.example/").proxy, proxy);
    assert_eq!(options("https://mirror.example/").proxy, proxy);
    assert_eq!(options("https://mirror.example/").timeout, Some(Duration::from_secs(7)));
    assert_eq!(options("https://direct.example/").proxy, Some(Proxy::Direct));
    assert_eq!(options("https://odd.example/").verify_peer, Some(false));
    assert_eq!(options("https://odd.example/").ca_file, Some("/nowhere/etc/ca.pem".into()));
    assert_eq!(options("http://mirror.example/").ca_file, None);
    assert!(matches!(&config.warnings[..], [ConfigWarning::ProxyAutoDetect { .. }, ConfigWarning::Insecure { .. }]));
}

#[test]
fn credentials() {
    let text = "# c\nmachine a.example login u password p\nmachine http://b.example:81/x\n login v\n password q\n\
                machine tor+http://c.example login x password y";
    let entry = |scheme, host: &str, port, path: &str, login: &str, password: &str| Credential {
        scheme,
        host: host.to_owned(),
        port,
        path: path.to_owned(),
        login: login.to_owned(),
        password: password.to_owned(),
    };
    let expected = [
        entry(None, "a.example", None, "", "u", "p"),
        entry(Some(Scheme::Http), "b.example", Some(81), "/x", "v", "q"),
    ];
    assert_eq!(parse_auth(text).unwrap(), expected);
    assert_eq!(parse_auth("machine a.example login"), Err(AuthError::Incomplete { keyword: "login" }));
    assert_eq!(parse_auth("secret"), Err(AuthError::Unexpected { position: 1 }));
}

/// A user name in the address of a source chooses among the passwords of `auth.conf`.
#[test]
fn a_user_without_password_in_an_address() {
    let mut config = config("");
    config.network.credentials =
        parse_auth("machine a.example login u password p machine a.example login v password q").unwrap();
    let passwords = |uri: &str| {
        let text = format!("deb {uri} stable main");
        let sources = crate::apt::sources::parse_one_line_sources(&text, Path::new("x"), &config.source_defaults());
        let settings = config.network_for(&sources.unwrap());
        let first = &settings.credentials[0];
        (first.login.clone(), first.password.clone())
    };
    let pair = |login: &str, password: &str| (login.to_owned(), password.to_owned());
    assert_eq!(passwords("https://v@a.example/debian"), pair("v", "q"));
    assert_eq!(passwords("https://v:r@a.example/debian"), pair("v", "r"));
    assert_eq!(passwords("https://w@a.example/debian"), pair("w", ""));
    assert_eq!(passwords("https://a.example/debian"), pair("u", "p"));
}

#[test]
fn files_are_read_in_order_below_a_root() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("etc/apt/apt.conf.d/10a", "X \"a\"; Y \"a\"; Z \"a\"; APT::Architecture \"arm64\";");
    write("etc/apt/apt.conf.d/20b.conf", "Y \"b\"; Z \"b\";");
    write("etc/apt/apt.conf.d/30c.disabled", "X \"wrong\";");
    write("etc/apt/apt.conf.d/40d~", "X \"wrong\";");
    write("etc/apt/apt.conf", "Z \"main\"; #include \"/etc/more.conf\";");
    write("etc/more.conf", "W \"more\";");
    write("etc/apt/auth.conf.d/x.conf", "machine a.example login u password p");
    write("var/lib/dpkg/arch", "amd64\ni386\n");
    let config = AptConfig::read(root.path(), None).unwrap();
    let values = ["X", "Y", "Z", "W"].map(|key| config.config.find(key).unwrap());
    assert_eq!(values, ["a", "b", "main", "more"]);
    assert_eq!(config.architectures, ["arm64", "amd64", "i386"]);
    assert_eq!(config.network.credentials.len(), 1);
    assert!(config.warnings.is_empty());
    write("etc/apt/apt.conf", "#include \"/etc/apt/apt.conf\";");
    assert!(matches!(AptConfig::read(root.path(), None), Err(ConfigError::TooDeep { .. })));
}

#[test]
fn the_host_is_read() {
    let config = AptConfig::read(Path::new("/"), None).unwrap();
    assert!(!config.architecture.is_empty());
}

proptest::proptest! {
    #[test]
    fn values_come_out_as_they_went_in(settings in proptest::collection::vec(("[A-Za-z-]{1,4}", "[A-Za-z0-9.-]{1,4}", "[^\"]{0,9}"), 0..6)) {
        let text: String = settings
            .iter()
            .map(|(block, key, value)| format!("{block} {{ // {key}\n {key} /* {block} */ \"{value}\"; }};\n"))
            .collect();
        let set = |(block, key, value)| Directive::Set { key: format!("{block}::{key}"), value };
        proptest::prop_assert_eq!(parse_config(&text).unwrap(), settings.into_iter().map(set).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_panics(text in "[A:\"#{};/* \\n\\tclearé]*", other in "\\PC*") {
        let _ = (parse_config(&text), parse_config(&other), parse_auth(&text), parse_auth(&other));
    }
}
