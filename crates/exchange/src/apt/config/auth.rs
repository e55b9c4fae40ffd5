//! `auth.conf`: user names and passwords in the form of netrc, as apt_auth.conf(5) describes it.

use crate::net::{Credential, Scheme};

/// A file of credentials is malformed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A keyword without its value.
    #[error("`{keyword}` is the last word; a value should follow")]
    Incomplete {
        /// The keyword.
        keyword: &'static str,
    },
    /// A word that is none of the keywords.
    #[error("word {position} should be `machine`, `login` or `password`")]
    Unexpected {
        /// Which word of the file, from 1; it is not shown because it may be a password.
        position: usize,
    },
}

/// Reads the text of an `auth.conf`. Entries for schemes that are not supported are left out.
///
/// # Errors
/// If the text is malformed; no secret gets into the message.
pub fn parse_auth(text: &str) -> Result<Vec<Credential>, AuthError> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(str::split_whitespace).enumerate();
    let mut all: Vec<Option<Credential>> = Vec::new();
    while let Some((position, word)) = words.next() {
        let mut value = |keyword| words.next().map(|(_, word)| word).ok_or(AuthError::Incomplete { keyword });
        match (word, all.last_mut()) {
            ("machine", _) => all.push(machine(value("machine")?)),
            ("login", Some(entry)) => {
                let login = value("login")?;
                entry.iter_mut().for_each(|entry| login.clone_into(&mut entry.login));
            }
            ("password", Some(entry)) => {
                let password = value("password")?;
                entry.iter_mut().for_each(|entry| password.clone_into(&mut entry.password));
            }
            _ => return Err(AuthError::Unexpected { position: position + 1 }),
        }
    }
    Ok(all.into_iter().flatten().collect())
}

fn machine(text: &str) -> Option<Credential> {
    let (scheme, rest) = match text.split_once("://") {
        None => (None, text),
        Some(("http", rest)) => (Some(Scheme::Http), rest),
        Some(("https", rest)) => (Some(Scheme::Https), rest),
        Some(_) => return None,
    };
    let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let (host, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
        _ => (host, None),
    };
    let (login, password) = (String::new(), String::new());
    Some(Credential { scheme, host: host.to_owned(), port, path: path.to_owned(), login, password })
}
