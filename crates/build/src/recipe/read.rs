//! Reading recipes, and saying where one is wrong.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{Recipe, Source};

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It is no recipe.
    #[error("`{}` is no recipe", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: Box<toml::de::Error>,
    },
    /// It is one, and says something that cannot be.
    #[error("`{}` is no recipe", path.display())]
    Mistake {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: Mistake,
    },
}

/// What is wrong, shown where it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Mistake {
    text: String,
}

impl Recipe {
    /// Reads a recipe; `path` is for messages, and names it.
    ///
    /// # Errors
    /// If the text is no recipe, with the line and what is wrong there.
    pub fn parse(text: &str, path: &Path) -> Result<Self, RecipeError> {
        let syntax = |source| RecipeError::Syntax { path: path.to_owned(), source: Box::new(source) };
        let recipe: Self = toml::from_str(text).map_err(syntax)?;
        match recipe.mistake(path) {
            None => Ok(recipe),
            Some((what, word)) => {
                Err(RecipeError::Mistake { path: path.to_owned(), source: Mistake { text: shown(text, &what, &word) } })
            }
        }
    }

    /// What cannot be, and a word of the text that shows where.
    fn mistake(&self, path: &Path) -> Option<(String, String)> {
        if !is_name(&self.name) {
            return Some((
                "a name has letters, digits and +._-, and begins with a letter or digit".to_owned(),
                self.name.clone(),
            ));
        }
        let is_in_directory = path.file_stem().is_some_and(|stem| stem == "recipe");
        let called = if is_in_directory { path.parent().and_then(Path::file_name) } else { path.file_stem() };
        if called.is_some_and(|called| called != self.name.as_str()) {
            let called = called.unwrap_or_default().display();
            return Some((format!("the file is called {called}, so the recipe must be"), self.name.clone()));
        }
        if self.version.is_empty() || self.version.contains(['/', ' ', '=']) {
            return Some(("a version is not empty and has no `/`, `=` or blank".to_owned(), self.version.clone()));
        }
        let mut known = BTreeMap::new();
        for (name, how) in self.dependencies() {
            if name == self.name {
                return Some(("nothing needs itself to be built".to_owned(), format!("\"{name}\"")));
            }
            if known.insert(name, how).is_some() {
                return Some(needed_twice(name));
            }
        }
        // What is needed with some values only may be named with several, in one way.
        for (name, how) in self.when.iter().flat_map(|when| when.needs.iter()) {
            if name == self.name {
                return Some(("nothing needs itself to be built".to_owned(), format!("\"{name}\"")));
            }
            if known.insert(name, how).is_some_and(|before| before != how) {
                return Some(needed_twice(name));
            }
        }
        // What else a view can be asked for, such as other files, is no tool.
        let is_package = |name: &&String| {
            let is_safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+.-".contains(c);
            name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) && name.chars().all(is_safe)
        };
        let debian = self.when.iter().map(|when| &when.needs).chain([&self.needs]).flat_map(|needs| &needs.debian);
        if let Some(name) = debian.into_iter().find(|name| !is_package(name)) {
            return Some(("no Debian package can be called so".to_owned(), format!("\"{name}\"")));
        }
        self.sources.iter().find_map(Source::mistake).or_else(|| self.mistaken_option())
    }
}

fn needed_twice(name: &str) -> (String, String) {
    (format!("{name} is needed in two ways; the stronger one will do"), format!("\"{name}\""))
}

/// Whether a text can be the name of a component and of a slot.
pub(crate) fn is_name(text: &str) -> bool {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "+._-".contains(c);
    text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.chars().all(is_safe) && text.len() <= 64
}

/// The line that has `word`, with what is wrong there, as the reader of TOML shows its own complaints.
fn shown(text: &str, what: &str, word: &str) -> String {
    let found = text.lines().enumerate().find_map(|(line, content)| Some((line, content, content.find(word)?)));
    let Some((line, content, at)) = found else { return what.to_owned() };
    let number = (line + 1).to_string();
    let margin = " ".repeat(number.len());
    let mut shown = format!("TOML parse error at line {number}, column {}\n", content[..at].chars().count() + 1);
    let (blanks, marks) = (" ".repeat(content[..at].chars().count()), "^".repeat(word.chars().count()));
    let _ = write!(shown, "{margin} |\n{number} | {content}\n{margin} | {blanks}{marks}\n{what}");
    shown
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, path::Path};

    use super::*;

    const GOOD: &str = r#"
name = "zlib"
version = "1.2.13"
summary = "Compression"
license = "Zlib"

[[source]]
debian = "zlib"
file = "zlib_1.2.13.dfsg.orig.tar.gz"
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

[needs]
linked = ["a"]
"#;

    fn refused(text: &str) -> String {
        let error = Recipe::parse(text, Path::new("recipes/zlib.toml")).unwrap_err();
        format!("{error}: {}", error.source().unwrap())
    }

    #[test]
    fn a_recipe_reads() {
        let recipe = Recipe::parse(GOOD, Path::new("recipes/zlib.toml")).unwrap();
        assert_eq!(recipe.dependencies().collect::<Vec<_>>(), [("a", crate::Use::Linked)]);
        assert!(Recipe::parse(GOOD, Path::new("recipes/zlib/recipe.toml")).is_ok());
    }

    #[test]
    fn mistakes_are_shown_where_they_are() {
        for (from, to, line, says) in [
            ("version", "vresion", "line 3", "unknown field `vresion`"),
            ("\"zlib\"\nversion", "\"zlip\"\nversion", "line 2", "the file is called zlib"),
            ("debian = \"zlib\"\n", "", "line 8", "says where it is"),
            ("debian = \"zlib\"\n", "debian = \"zlib\"\nurl = \"x/y\"\n", "line 9", "in one place"),
            ("[\"a\"]", "[\"a\"]\ntools = [\"a\"]", "line 13", "needed in two ways"),
            ("[\"a\"]", "[\"zlib\"]", "line 2", "nothing needs itself"),
            ("[\"a\"]", "[]\ndebian = [\"./x.deb\"]", "line 14", "no Debian package can be called so"),
            ("sha256", "#", "line 9", "needs its `sha256`"),
            ("[needs]", "into = \"../x\"\n[needs]", "line 9", "below the one"),
            ("[needs]", "patches = [\"../x\"]\n[needs]", "line 12", "a file beside"),
            ("[needs]", "patches = [\"x\", \"y/x\"]\n[needs]", "line 9", "the same name"),
            ("0a08\"", "0\"", "line 10", "sha256"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD);
            let said = refused(&text);
            assert!(said.contains(says) && said.contains(line), "{from} -> {to}:\n{said}");
        }
    }
}
