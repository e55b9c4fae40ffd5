//! The environment a program of a view gets.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::trust::BUNDLE;

/// The search path inside every view.
pub(crate) const PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/games:/usr/games";

/// Variables that make programs load the host's libraries, modules or data. They never pass.
pub(crate) const DROPPED: &[&str] = &[
    "GCONV_PATH",
    "GDK_PIXBUF_MODULEDIR",
    "GDK_PIXBUF_MODULE_FILE",
    "GEM_HOME",
    "GEM_PATH",
    "GIO_EXTRA_MODULES",
    "GIO_MODULE_DIR",
    "GI_TYPELIB_PATH",
    "GSETTINGS_SCHEMA_DIR",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_PATH_1_0",
    "GST_PLUGIN_SCANNER",
    "GST_PLUGIN_SYSTEM_PATH",
    "GST_PLUGIN_SYSTEM_PATH_1_0",
    "GTK_EXE_PREFIX",
    "GTK_IM_MODULE_FILE",
    "GTK_PATH",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "LOCPATH",
    "LUA_CPATH",
    "LUA_PATH",
    "MAGICK_CODER_MODULE_PATH",
    "MAGICK_CONFIGURE_PATH",
    "NODE_PATH",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PERL5LIB",
    "PERL5OPT",
    "PERLLIB",
    "PYTHONHOME",
    "PYTHONPATH",
    "QML2_IMPORT_PATH",
    "QML_IMPORT_PATH",
    "QT_PLUGIN_PATH",
    "QT_QPA_PLATFORM_PLUGIN_PATH",
    "RUBYLIB",
    "RUBYOPT",
    "TCLLIBPATH",
    "XDG_CONFIG_DIRS",
    "XDG_DATA_DIRS",
];

/// Variables that name one file or directory. They pass when it is there inside the view too.
pub(crate) const IF_THERE: &[&str] = &[
    "CURL_CA_BUNDLE",
    "FONTCONFIG_FILE",
    "FONTCONFIG_PATH",
    "GIT_SSL_CAINFO",
    "JAVA_HOME",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERMINFO",
];

/// Variables that pass into a pure run; everything else is set anew or absent.
pub(crate) const PURE_KEPT: &[&str] = &["COLORTERM", "LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "TERM", "TZ"];

/// What an environment is prepared with.
pub(crate) struct Inside<'a> {
    /// The view's name, for `ALEPH_VIEW`.
    pub(crate) view: &'a str,
    /// For a pure run: the user's name and home inside.
    pub(crate) pure: Option<(&'a str, &'a str)>,
    /// Whether the bundle of certificates has some of the host's.
    pub(crate) host_trust: bool,
    /// A directory of commands that is searched last.
    pub(crate) commands: Option<&'a Path>,
    /// Whether a path exists inside.
    pub(crate) exists: &'a dyn Fn(&Path) -> bool,
    /// Whether the view has a locale.
    pub(crate) has_locale: &'a dyn Fn(&str) -> bool,
}

/// Turns the caller's environment into the one inside.
pub(crate) fn prepare(outer: &[(OsString, OsString)], inside: &Inside<'_>) -> Vec<(OsString, OsString)> {
    let own = ["PATH", "ALEPH_VIEW"];
    let mut env: Vec<(OsString, OsString)> = outer
        .iter()
        .filter(|(name, value)| {
            let listed = |list: &[&str]| list.iter().any(|n| OsStr::new(n) == name);
            let there = !(listed(IF_THERE) || names_trust(name, value)) || (inside.exists)(Path::new(value));
            !listed(&own) && if inside.pure.is_some() { listed(PURE_KEPT) } else { there && !listed(DROPPED) }
        })
        .map(|(name, value)| (name.clone(), adapt(name, value, inside)))
        .collect();
    // OpenSSL by itself looks up one file for each authority, and would miss those that are only in the bundle.
    let trust = inside.host_trust && !env.iter().any(|(name, _)| name == "SSL_CERT_FILE");
    let mut set = |name: &str, value: &str| env.push((name.into(), value.into()));
    if trust {
        set("SSL_CERT_FILE", BUNDLE);
    }
    if let Some((user, home)) = inside.pure {
        for (name, value) in [("HOME", home), ("USER", user), ("LOGNAME", user), ("SHELL", shell(inside))] {
            set(name, value);
        }
    }
    set("ALEPH_VIEW", inside.view);
    let mut path = OsString::from(PATH);
    if let Some(commands) = inside.commands {
        path.push(":");
        path.push(commands);
    }
    env.push(("PATH".into(), path));
    env
}

/// Whether a variable names a file of certificates: every tool has its own.
fn names_trust(name: &OsStr, value: &OsStr) -> bool {
    let name = name.to_string_lossy();
    value.as_encoded_bytes().starts_with(b"/") && ["CERT", "SSL", "CA_BUNDLE"].iter().any(|part| name.contains(part))
}

/// Replaces values that the view cannot honour: a locale it lacks, a shell it lacks.
fn adapt(name: &OsStr, value: &OsStr, inside: &Inside<'_>) -> OsString {
    let text = name.as_encoded_bytes();
    let locale = text == b"LANG" || (text.starts_with(b"LC_"));
    if locale && !value.to_str().is_some_and(inside.has_locale) {
        return "C.UTF-8".into();
    }
    if text == b"SHELL" && !(inside.exists)(Path::new(value)) {
        return shell(inside).into();
    }
    value.to_owned()
}

/// The best shell that the view has.
fn shell(inside: &Inside<'_>) -> &'static str {
    if (inside.exists)(Path::new("/bin/bash")) { "/bin/bash" } else { "/bin/sh" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pure: bool, outer: &[(&str, &str)], expected: &[(&str, &str)]) {
        let outer: Vec<_> = outer.iter().map(|(n, v)| (n.into(), v.into())).collect();
        let inside = Inside {
            view: "main",
            pure: pure.then_some(("user", "/home/user")),
            host_trust: false,
            commands: None,
            exists: &|p| p == Path::new("/there") || p == Path::new("/bin/sh"),
            has_locale: &|l| l == "en_GB.UTF-8",
        };
        let mut expected: Vec<(OsString, OsString)> = expected.iter().map(|(n, v)| (n.into(), v.into())).collect();
        expected.push(("ALEPH_VIEW".into(), "main".into()));
        expected.push(("PATH".into(), PATH.into()));
        assert_eq!(prepare(&outer, &inside), expected);
    }

    #[test]
    fn variables_pass_unless_they_leak_the_host() {
        check(
            false,
            &[("PATH", "/x"), ("LD_PRELOAD", "/x.so"), ("EDITOR", "vi"), ("ALEPH_VIEW", "old"), ("HOME", "/home/a")],
            &[("EDITOR", "vi"), ("HOME", "/home/a")],
        );
        check(false, &[("SSL_CERT_FILE", "/there"), ("JAVA_HOME", "/gone")], &[("SSL_CERT_FILE", "/there")]);
        check(false, &[("PIP_CERT", "/gone"), ("X_SSL", "on")], &[("X_SSL", "on")]);
        check(
            false,
            &[("LANG", "en_GB.UTF-8"), ("LC_TIME", "xx"), ("SHELL", "/bin/zsh"), ("LANGUAGE", "xx")],
            &[("LANG", "en_GB.UTF-8"), ("LC_TIME", "C.UTF-8"), ("SHELL", "/bin/sh"), ("LANGUAGE", "xx")],
        );
    }

    #[test]
    fn a_pure_run_starts_from_little() {
        check(
            true,
            &[("TERM", "xterm"), ("HOME", "/home/a"), ("SECRET", "1"), ("LANG", "xx")],
            &[
                ("TERM", "xterm"),
                ("LANG", "C.UTF-8"),
                ("HOME", "/home/user"),
                ("USER", "user"),
                ("LOGNAME", "user"),
                ("SHELL", "/bin/sh"),
            ],
        );
    }
}
