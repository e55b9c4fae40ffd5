//! A directory of recipes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{ChoiceError, Chosen, Recipe, RecipeError};

/// The file that says what all recipes of a tree share.
const SHARED: &str = "tree.toml";

/// A directory of recipes: `NAME.toml` or `NAME/recipe.toml` each, and `tree.toml`, which says what they share.
#[derive(Clone, Debug)]
pub struct RecipeTree {
    /// The directory.
    pub directory: PathBuf,
    /// What they share.
    pub tools: Tools,
    /// The recipes by name.
    pub recipes: BTreeMap<String, Located>,
}

/// A recipe and where it is.
#[derive(Clone, Debug)]
pub struct Located {
    /// The recipe.
    pub recipe: Recipe,
    /// Its file.
    pub path: PathBuf,
}

impl Located {
    /// What its relative paths are relative to.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    tools: Tools,
}

/// What all recipes of a tree share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tools {
    /// Debian packages that make up `/` where they are built.
    pub debian: Vec<String>,
    /// Sonames of libraries that the host brings to what was built, unless a recipe that it needs does.
    #[serde(default)]
    pub host: Vec<String>,
    /// Recipes that all others are linked to in a closed world, in which nothing comes from the host: the C library and the
    /// compiler's, each linked to those after it.
    #[serde(default)]
    pub closed: Vec<String>,
}

/// Why a tree cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// One of its recipes cannot.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The directory or what it shares cannot be read.
    #[error("`{}` is no tree of recipes", path.display())]
    Io {
        /// What could not be read.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// `tree.toml` is not what it should be.
    #[error("`{}` does not say what its recipes share", path.display())]
    Shared {
        /// The file.
        path: PathBuf,
        /// Where and how.
        source: Box<toml::de::Error>,
    },
}

impl RecipeTree {
    /// The same tree as a closed world: everything is linked to [`Tools::closed`], these each to those that follow it there, and
    /// the host brings nothing.
    pub fn closed(mut self) -> Self {
        let closed = &self.tools.closed;
        self.tools.host.clear();
        for located in self.recipes.values_mut() {
            let at = closed.iter().position(|name| *name == located.recipe.name);
            let linked = &mut located.recipe.needs.linked;
            let below = &closed[at.map_or(0, |at| at + 1)..];
            linked.extend(below.iter().filter(|name| !linked.contains(name)).cloned().collect::<Vec<_>>());
        }
        self
    }

    /// The same tree with values for all options: those that are said, of what is named; the last ones of a recipe; its own.
    ///
    /// # Errors
    /// If what is said cannot be.
    pub fn choose<'a>(
        mut self,
        names: &[String],
        said: &BTreeMap<String, String>,
        last: impl Fn(&str) -> Option<&'a Chosen>,
    ) -> Result<Self, ChoiceError> {
        let options =
            |name: &String| self.recipes.get(name).into_iter().flat_map(|located| located.recipe.options.keys());
        let known: BTreeSet<&String> = names.iter().flat_map(options).collect();
        if let Some(option) = said.keys().find(|option| !known.contains(option)) {
            let known = known.into_iter().cloned().collect();
            return Err(ChoiceError::Unknown { option: option.clone(), recipes: names.to_vec(), known });
        }
        let nothing = (BTreeMap::new(), Chosen::new());
        for (name, Located { recipe, .. }) in &mut self.recipes {
            let said = if names.contains(name) { said } else { &nothing.0 };
            let chosen = recipe.choices(said, last(name).unwrap_or(&nothing.1))?;
            *recipe = recipe.clone().with(chosen);
        }
        Ok(self)
    }

    /// The directory of recipes for somebody at `start`: the nearest upwards that is one, or has one called `recipes`.
    pub fn find(start: &Path) -> Option<PathBuf> {
        let candidates = start.ancestors().flat_map(|directory| [directory.to_owned(), directory.join("recipes")]);
        candidates.into_iter().find(|directory| directory.join(SHARED).is_file())
    }

    /// Reads a tree.
    ///
    /// # Errors
    /// If something in it does not read.
    pub fn read(directory: &Path) -> Result<Self, TreeError> {
        let shared = directory.join(SHARED);
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| TreeError::Io { path, source }
        };
        let text = fs::read_to_string(&shared).map_err(failed(&shared))?;
        let Shared { tools } = toml::from_str(&text)
            .map_err(|source| TreeError::Shared { path: shared.clone(), source: Box::new(source) })?;
        let mut recipes = BTreeMap::new();
        for entry in fs::read_dir(directory).map_err(failed(directory))? {
            let path = entry.map_err(failed(directory))?.path();
            let file = if path.is_dir() { path.join("recipe.toml") } else { path };
            let is_recipe = file.extension().is_some_and(|extension| extension == "toml") && file.is_file();
            if !is_recipe || file == shared {
                continue;
            }
            let text = fs::read_to_string(&file).map_err(|source| RecipeError::Io { path: file.clone(), source })?;
            let recipe = Recipe::parse(&text, &file)?;
            recipes.insert(recipe.name.clone(), Located { recipe, path: file });
        }
        Ok(Self { directory: directory.to_owned(), tools, recipes })
    }
}
