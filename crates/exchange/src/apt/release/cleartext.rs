//! The frame of a clear-signed message (RFC 9580, section 7), read strictly: nothing before it, nothing behind it.

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";

/// A text is not one clear-signed message and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClearsignError {
    /// It does not begin as one.
    #[error("the text is not clear-signed")]
    NotSigned,
    /// It is not UTF-8.
    #[error("the text is not UTF-8")]
    Encoding,
    /// A header other than `Hash`.
    #[error("line {line}: unexpected header of a clear-signed text")]
    Header {
        /// The line, from 1.
        line: usize,
    },
    /// A line that begins with a dash and is not escaped.
    #[error("line {line}: a dash at the beginning of a signed line is not escaped")]
    Dash {
        /// The line, from 1.
        line: usize,
    },
    /// The signature, or the end of it, is missing.
    #[error("the clear-signed text has no complete signature")]
    Incomplete,
    /// Something follows the signature.
    #[error("line {line}: text after the signature")]
    Trailing {
        /// The line, from 1.
        line: usize,
    },
}

/// The parts of a clear-signed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clearsigned {
    /// The lines that are signed: escapes undone, trailing blanks removed as the signer did.
    pub(super) lines: Vec<String>,
    /// The armored signature.
    pub(super) signature: String,
}

impl Clearsigned {
    /// The text as its reader wants it.
    pub(super) fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// The text as it was signed: with CR LF between lines and none at the end.
    pub(super) fn signed_text(&self) -> String {
        self.lines.join("\r\n")
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ClearsignError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ClearsignError::Encoding)?;
        let mut lines = text.split('\n').map(blanks_off).enumerate().map(|(index, line)| (index + 1, line));
        if lines.next().is_none_or(|(_, line)| line != BEGIN) {
            return Err(ClearsignError::NotSigned);
        }
        loop {
            match lines.next() {
                Some((_, "")) => break,
                Some((_, line)) if line.starts_with("Hash:") => {}
                Some((line, _)) => return Err(ClearsignError::Header { line }),
                None => return Err(ClearsignError::Incomplete),
            }
        }
        let mut signed = Vec::new();
        loop {
            match lines.next() {
                None => return Err(ClearsignError::Incomplete),
                Some((_, SIGNATURE)) => break,
                Some((number, line)) => match line.strip_prefix('-') {
                    None => signed.push(line.to_owned()),
                    // A line of "- " alone lost its blank above; what it stands for is an empty line.
                    Some("") => signed.push(String::new()),
                    Some(rest) => {
                        let rest = rest.strip_prefix(' ').ok_or(ClearsignError::Dash { line: number })?;
                        signed.push(rest.to_owned());
                    }
                },
            }
        }
        let mut signature = format!("{SIGNATURE}\n");
        loop {
            let (_, line) = lines.next().ok_or(ClearsignError::Incomplete)?;
            signature.push_str(line);
            signature.push('\n');
            if line == END {
                break;
            }
        }
        match lines.find(|(_, line)| !line.is_empty()) {
            Some((line, _)) => Err(ClearsignError::Trailing { line }),
            None => Ok(Self { lines: signed, signature }),
        }
    }
}

fn blanks_off(line: &str) -> &str {
    line.trim_end_matches([' ', '\t', '\r'])
}
