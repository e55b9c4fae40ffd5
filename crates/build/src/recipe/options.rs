//! What is up to whoever builds: options of a recipe, what holds with one of their values, and choosing.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Needs, Recipe, Source, is_default};

/// Something that is up to whoever builds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Choice {
    /// One line that says what it is about.
    pub summary: String,
    /// What holds where nothing is said: `true` or `false`, or one of several words.
    pub default: Value,
    /// The words that can be chosen. Without them: any, unless it is `true` or `false`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// With it or without.
    Switch(bool),
    /// A word.
    Word(String),
}

impl Default for Value {
    fn default() -> Self {
        Self::Switch(true)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Switch(true) => "yes",
            Self::Switch(false) => "no",
            Self::Word(word) => word,
        })
    }
}

/// What is added to the recipe where an option has a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct When {
    /// The option.
    pub option: String,
    /// The value with which this holds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is: Value,
    /// More sources.
    #[serde(default, rename = "source", skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// What has to be there besides.
    #[serde(default, skip_serializing_if = "is_default")]
    pub needs: Needs,
    /// What is given to its configuration besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configure: Vec<String>,
    /// What is given to `make`, `ninja` and the like besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub make: Vec<String>,
    /// More variables, and others in place of those of the recipe.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Commands that must work besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<String>,
}

/// Values of options by their names.
pub type Chosen = BTreeMap<String, Value>;

/// Something cannot be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// There is no such option.
    #[error("{} has no option `{option}`", recipes.join(", "))]
    Unknown {
        /// The option.
        option: String,
        /// Who was asked for it.
        recipes: Vec<String>,
        /// What there is.
        known: Vec<String>,
    },
    /// It has no such value.
    #[error("the option `{option}` of {recipe} is {}, not `{value}`", or(values))]
    Value {
        /// The recipe.
        recipe: String,
        /// Its option.
        option: String,
        /// What was said.
        value: String,
        /// What can be.
        values: Vec<String>,
    },
}

fn or(values: &[String]) -> String {
    match values.split_last() {
        None => "one word".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

impl Choice {
    /// The value that a text means; nothing if it means none.
    pub fn value(&self, text: &str) -> Option<Value> {
        match (&self.default, text) {
            (Value::Switch(_), "yes" | "true") => Some(Value::Switch(true)),
            (Value::Switch(_), "no" | "false") => Some(Value::Switch(false)),
            (Value::Switch(_), _) => None,
            (Value::Word(_), text) => {
                let is_known =
                    if self.values.is_empty() { is_word(text) } else { self.values.iter().any(|word| word == text) };
                is_known.then(|| Value::Word(text.to_owned()))
            }
        }
    }

    /// What can be chosen; nothing if that is any word.
    fn possible(&self) -> Vec<String> {
        match self.default {
            Value::Switch(_) => ["yes", "no"].map(str::to_owned).into(),
            Value::Word(_) => self.values.clone(),
        }
    }

    fn can_be(&self, value: &Value) -> bool {
        self.value(&value.to_string()).as_ref() == Some(value)
    }
}

/// Whether a text can stand in a shell's variable and on a command line without harm.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+._,:/-".contains(c))
}

impl Recipe {
    /// The values of all options: those that are said, else the last ones if they can still be, else the recipe's own.
    ///
    /// # Errors
    /// If what is said cannot be. Options that the recipe does not have are not looked at.
    pub fn choices(&self, said: &BTreeMap<String, String>, last: &Chosen) -> Result<Chosen, ChoiceError> {
        let mut chosen = Chosen::new();
        for (name, choice) in &self.options {
            let value = match (said.get(name), last.get(name)) {
                (Some(text), _) => choice.value(text).ok_or_else(|| ChoiceError::Value {
                    recipe: self.name.clone(),
                    option: name.clone(),
                    value: text.clone(),
                    values: choice.possible(),
                })?,
                (None, Some(last)) if choice.can_be(last) => last.clone(),
                (None, _) => choice.default.clone(),
            };
            chosen.insert(name.clone(), value);
        }
        Ok(chosen)
    }

    /// The recipe with these values of its options: what holds with them is part of it, and nothing else is open.
    pub fn with(mut self, chosen: Chosen) -> Self {
        for when in std::mem::take(&mut self.when) {
            if chosen.get(&when.option) != Some(&when.is) {
                continue;
            }
            let more = |all: &mut Vec<String>, more: Vec<String>| {
                more.into_iter().for_each(|one| {
                    if !all.contains(&one) {
                        all.push(one)
                    }
                });
            };
            more(&mut self.needs.linked, when.needs.linked);
            more(&mut self.needs.copied, when.needs.copied);
            more(&mut self.needs.tools, when.needs.tools);
            more(&mut self.needs.debian, when.needs.debian);
            self.sources.extend(when.sources);
            self.build.configure.extend(when.configure);
            self.build.make.extend(when.make);
            self.build.environment.extend(when.environment);
            self.check.commands.extend(when.checks);
        }
        self.options.clear();
        self.chosen = chosen;
        self
    }

    /// What cannot be in its options, and a word of the text that shows where.
    pub(super) fn mistaken_option(&self) -> Option<(String, String)> {
        for (name, choice) in &self.options {
            let say = |what: &str| Some((what.to_owned(), format!("options.{name}")));
            let is_tame = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_tame) {
                return say("an option's name has small letters, digits and -, and begins with a letter");
            }
            if matches!(choice.default, Value::Switch(_)) && !choice.values.is_empty() {
                return say("an option that is true or false has no other `values`");
            }
            if !choice.values.iter().all(|word| is_word(word)) || !choice.can_be(&choice.default) {
                return say("what an option is by default is one of its `values`, each of them a word");
            }
        }
        for when in &self.when {
            let word = |what: String| Some((what, format!("option = \"{}\"", when.option)));
            let Some(choice) = self.options.get(&when.option) else {
                return word(format!("the recipe has no option `{}`", when.option));
            };
            if !choice.can_be(&when.is) {
                return word(format!("the option `{}` is {}, not `{}`", when.option, or(&choice.possible()), when.is));
            }
            if let Some(mistake) = when.sources.iter().find_map(Source::mistake) {
                return Some(mistake);
            }
        }
        None
    }
}

/// The variable by which phases know an option.
pub(crate) fn variable(option: &str) -> String {
    format!("OPTION_{}", option.to_ascii_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, path::Path};

    use super::*;
    use crate::{Recipe, environment};

    const GOOD: &str = r#"
name = "curl"
version = "1"
summary = "s"
license = "MIT"

[options.tls]
summary = "Which library encrypts"
default = "openssl"
values = ["openssl", "gnutls"]

[options.manual-pages]
summary = "The manual"
default = false

[build]
configure = ["--disable-x"]

[[when]]
option = "tls"
is = "openssl"
needs.linked = ["openssl"]
configure = ["--with-openssl"]

[[when]]
option = "manual-pages"
needs.tools = ["texinfo"]

[[when]]
option = "manual-pages"
is = false
configure = ["--disable-manual"]
"#;

    fn parse(text: &str) -> Result<Recipe, String> {
        let shown = |error: crate::RecipeError| error.source().map(ToString::to_string).unwrap_or_default();
        Recipe::parse(text, Path::new("curl.toml")).map_err(shown)
    }

    fn said(words: &str) -> BTreeMap<String, String> {
        let pairs = words.split_whitespace().map(|word| word.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn check(words: &str, last: &Chosen, configure: &[&str], needs: &[&str]) -> Chosen {
        let recipe = parse(GOOD).unwrap();
        let chosen = recipe.choices(&said(words), last).unwrap();
        let recipe = recipe.with(chosen.clone());
        assert_eq!(recipe.build.configure, configure, "{words}");
        assert_eq!(recipe.dependencies().map(|(name, _)| name).collect::<Vec<_>>(), needs, "{words}");
        assert!(recipe.when.is_empty() && recipe.options.is_empty());
        chosen
    }

    #[test]
    fn what_is_chosen_is_part_of_the_recipe() {
        let none = Chosen::new();
        check("", &none, &["--disable-x", "--with-openssl", "--disable-manual"], &["openssl"]);
        let last = check("tls=gnutls manual-pages=yes", &none, &["--disable-x"], &["texinfo"]);
        // A choice stays until another one is made, or it can no longer be.
        check("", &last, &["--disable-x"], &["texinfo"]);
        check("manual-pages=no", &last, &["--disable-x", "--disable-manual"], &[]);
        let gone = Chosen::from([("tls".to_owned(), Value::Word("rustls".to_owned()))]);
        let chosen = check("", &gone, &["--disable-x", "--with-openssl", "--disable-manual"], &["openssl"]);
        let recipe = parse(GOOD).unwrap().with(chosen);
        let variables = environment(&recipe, "/p", &[]);
        let get = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!((get("OPTION_TLS"), get("OPTION_MANUAL_PAGES")), (Some("openssl"), Some("no")));
    }

    #[test]
    fn what_cannot_be_chosen_is_said() {
        let recipe = parse(GOOD).unwrap();
        for (words, says) in [
            ("tls=nss", "the option `tls` of curl is openssl or gnutls, not `nss`"),
            ("manual-pages=perhaps", "the option `manual-pages` of curl is yes or no, not `perhaps`"),
        ] {
            assert_eq!(recipe.choices(&said(words), &Chosen::new()).unwrap_err().to_string(), says);
        }
    }

    #[test]
    fn mistakes_in_options_are_shown_where_they_are() {
        for (from, to, line, says) in [
            ("options.tls", "options.Tls", 7, "an option's name has small letters"),
            ("default = false", "default = false\nvalues = ['x']", 12, "has no other `values`"),
            ("default = \"openssl\"", "default = \"nss\"", 7, "one of its `values`"),
            ("option = \"tls\"", "option = \"ssl\"", 20, "the recipe has no option `ssl`"),
            ("is = \"openssl\"", "is = \"nss\"", 20, "is openssl or gnutls, not `nss`"),
            ("is = \"openssl\"", "", 20, "is openssl or gnutls, not `yes`"),
            ("needs.tools = [\"texinfo\"]", "source = [{ url = \"https://e/x.tar\" }]", 27, "needs its `sha256`"),
            ("needs.tools = [\"texinfo\"]", "needs.tools = [\"openssl\"]", 9, "needed in two ways"),
            ("needs.tools = [\"texinfo\"]", "needs.tools = [\"curl\"]", 2, "nothing needs itself"),
            ("configure = [\"--disable-x\"]", "confiture = []", 17, "unknown field `confiture`"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD);
            let said = parse(&text).unwrap_err();
            assert!(said.contains(says) && said.contains(&format!("line {line},")), "{from} -> {to}:\n{said}");
        }
    }
}
