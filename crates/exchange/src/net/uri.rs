//! Addresses that can be fetched.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use reqwest::Url;

/// An absolute address with a scheme that [`Fetcher`](super::Fetcher) understands.
///
/// Its text form never shows user name and password.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uri {
    url: Arc<Url>,
    scheme: Scheme,
}

/// How an address is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `http:`
    Http,
    /// `https:`
    Https,
    /// `file:` and `copy:`, which mean the same here: the file is read where it is.
    File,
}

/// A text is not an address that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Not an absolute URI at all.
    #[error("`{text}` is not an absolute URI")]
    Malformed {
        /// The text, shortened.
        text: String,
    },
    /// It has no host where the scheme wants one.
    #[error("the URI `{text}` names no host")]
    NoHost {
        /// The text, shortened.
        text: String,
    },
    /// It is reached in a way that is not supported.
    #[error("the scheme `{scheme}` of a URI is not supported; http, https, file and copy are")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
}

impl Uri {
    /// How it is reached.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// True for schemes that use a network.
    pub fn is_remote(&self) -> bool {
        self.scheme != Scheme::File
    }

    /// The host name, `""` for local files.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or("")
    }

    /// The local path of a `file:` or `copy:` URI.
    pub fn local_path(&self) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt as _;
        let bytes = percent_decode(self.url.path());
        (self.scheme == Scheme::File).then(|| PathBuf::from(std::ffi::OsString::from_vec(bytes)))
    }

    /// The address of `path`, a relative file name as a `Release` or `Packages` file gives it, under this one as a
    /// directory. Characters that would have a meaning in a URI are escaped; a leading `./` and doubled slashes vanish.
    pub fn join(&self, path: &str) -> Uri {
        let mut url = (*self.url).clone();
        let mut text = url.path().trim_end_matches('/').to_owned();
        for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
            text.push('/');
            escape_into(&mut text, part);
        }
        if path.ends_with('/') || path.is_empty() {
            text.push('/');
        }
        url.set_path(&text);
        Uri { url: Arc::new(url), scheme: self.scheme }
    }

    /// The address that `text` means in a document at this one, or in the `Location` header of an answer from it.
    pub(crate) fn relative(&self, text: &str) -> Result<Uri, UriError> {
        let malformed = |_| UriError::Malformed { text: shorten(text) };
        Uri::from_url(self.url.join(text).map_err(malformed)?)
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// User name and password in the URI itself.
    pub(crate) fn user_info(&self) -> Option<(String, Option<String>)> {
        let text = |part: &str| String::from_utf8_lossy(&percent_decode(part)).into_owned();
        let user = self.url.username();
        (!user.is_empty()).then(|| (text(user), self.url.password().map(text)))
    }

    fn from_url(mut url: Url) -> Result<Self, UriError> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "file" | "copy" => Scheme::File,
            other => return Err(UriError::Scheme { scheme: other.chars().take(40).collect() }),
        };
        if scheme != Scheme::File && url.host_str().is_none_or(str::is_empty) {
            return Err(UriError::NoHost { text: shorten(url.as_str()) });
        }
        url.set_fragment(None);
        Ok(Self { url: Arc::new(url), scheme })
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let url = Url::parse(text).map_err(|_| UriError::Malformed { text: shorten(text) })?;
        if url.cannot_be_a_base() {
            return Err(UriError::Malformed { text: shorten(text) });
        }
        Self::from_url(url)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.url.username().is_empty() && self.url.password().is_none() {
            return f.write_str(self.url.as_str());
        }
        let mut url = (*self.url).clone();
        // Only fails for URLs without a host, which have no password.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        f.write_str(url.as_str())
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uri({self})")
    }
}

fn escape_into(out: &mut String, part: &str) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        let value = digits
            .filter(|_| bytes[at] == b'%')
            .and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap_or(""), 16).ok());
        out.push(value.unwrap_or(bytes[at]));
        at += if value.is_some() { 3 } else { 1 };
    }
    out
}

/// The beginning of a foreign text, without anything that looks like user information.
fn shorten(text: &str) -> String {
    let text = match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &text[..scheme], &text[at..]),
        _ => text.to_owned(),
    };
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, path: &str, expected: &str) {
        assert_eq!(base.parse::<Uri>().unwrap().join(path).to_string(), expected, "{base} + {path}");
    }

    #[test]
    fn paths_of_an_index_become_addresses() {
        check(
            "http://mirror.example/debian",
            "pool/main/g/g++_1%3a2.deb",
            "http://mirror.example/debian/pool/main/g/g++_1%253a2.deb",
        );
        check("http://mirror.example/debian/", "dists/x/InRelease", "http://mirror.example/debian/dists/x/InRelease");
        check("http://mirror.example/repo", "./a b#?.deb", "http://mirror.example/repo/a%20b%23%3F.deb");
        check("file:/srv/repo", "x~1.deb", "file:///srv/repo/x~1.deb");
        check("copy:/srv/repo", "x.deb", "copy:/srv/repo/x.deb");
        check("http://user:secret@mirror.example/r", "x", "http://mirror.example/r/x");
    }

    #[test]
    fn local_paths_are_decoded() {
        assert_eq!("file:/a%20b/c%2".parse::<Uri>().unwrap().local_path().unwrap(), PathBuf::from("/a b/c%2"));
        assert_eq!("http://mirror.example/a".parse::<Uri>().unwrap().local_path(), None);
    }

    #[test]
    fn what_cannot_be_fetched_is_refused() {
        assert!(matches!("cdrom:[Debian]/".parse::<Uri>(), Err(UriError::Malformed { .. } | UriError::Scheme { .. })));
        assert!(matches!("ftp://mirror.example/".parse::<Uri>(), Err(UriError::Scheme { .. })));
        assert!(matches!("/srv/repo".parse::<Uri>(), Err(UriError::Malformed { .. })));
        assert!("http://u:hidden@[bad".parse::<Uri>().is_err_and(|e| !e.to_string().contains("hidden")));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*", path in "\\PC*") {
            if let Ok(uri) = text.parse::<Uri>() {
                let _ = (uri.to_string(), uri.local_path(), uri.user_info());
            }
            let joined = "http://mirror.example/a".parse::<Uri>().unwrap().join(&path);
            assert_eq!(joined.host(), "mirror.example");
        }
    }
}
