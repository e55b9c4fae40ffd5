//! Which recipes a build takes, in which order, and which of them hold up the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aleph_component::circles;

use crate::{RecipeTree, Use};

/// Recipes and what each needs, by position; each comes after all that it needs.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Their names.
    pub names: Vec<String>,
    /// What each needs directly, and how.
    pub needs: Vec<BTreeMap<usize, Use>>,
}

/// There is no order in which to build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Nobody knows how to build something.
    #[error("there is no recipe `{name}`{}", needed_by.as_ref().map_or(String::new(), |by| format!(", which {by} needs")))]
    Unknown {
        /// What.
        name: String,
        /// Whose recipe asks for it, if one does.
        needed_by: Option<String>,
    },
    /// Recipes need each other.
    #[error("{} need each other to be built", names.join(", "))]
    Circle {
        /// Which.
        names: Vec<String>,
    },
}

impl Graph {
    /// The recipes that are wanted and all that they need.
    ///
    /// # Errors
    /// If one of them is unknown, or needs itself.
    pub fn new(tree: &RecipeTree, wanted: &[String]) -> Result<Self, GraphError> {
        let mut names: Vec<&str> = Vec::new();
        let mut index: BTreeMap<&str, usize> = BTreeMap::new();
        let mut todo: Vec<(&str, Option<&str>)> = wanted.iter().rev().map(|name| (name.as_str(), None)).collect();
        while let Some((name, needed_by)) = todo.pop() {
            if index.contains_key(name) {
                continue;
            }
            let unknown = || GraphError::Unknown { name: name.to_owned(), needed_by: needed_by.map(str::to_owned) };
            let recipe = &tree.recipes.get(name).ok_or_else(unknown)?.recipe;
            index.insert(name, names.len());
            names.push(name);
            todo.extend(recipe.dependencies().map(|(needed, _)| (needed, Some(name))));
        }
        let needs: Vec<BTreeMap<usize, Use>> = names
            .iter()
            .map(|name| tree.recipes[*name].recipe.dependencies().map(|(needed, how)| (index[needed], how)).collect())
            .collect();
        let order = circles(&needs.iter().map(|needs| needs.keys().copied().collect()).collect::<Vec<BTreeSet<_>>>());
        if let Some(circle) = order.iter().find(|circle| circle.len() > 1) {
            return Err(GraphError::Circle { names: circle.iter().map(|&at| names[at].to_owned()).collect() });
        }
        let order: Vec<usize> = order.into_iter().flatten().collect();
        let mut position = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, &old)| position[old] = new);
        let moved = |old: usize| needs[old].iter().map(|(needed, how)| (position[*needed], *how)).collect();
        Ok(Self {
            names: order.iter().map(|&old| names[old].to_owned()).collect(),
            needs: order.iter().map(|&old| moved(old)).collect(),
        })
    }

    /// What a recipe needs at any depth to link and run: what it links to and copies, and what these link to.
    pub fn closure(&self, of: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut todo: Vec<usize> = self.needs[of].keys().copied().collect();
        while let Some(at) = todo.pop() {
            if reached.insert(at) {
                let linked = self.needs[at].iter().filter(|(_, how)| **how == Use::Linked);
                todo.extend(linked.map(|(needed, _)| *needed));
            }
        }
        reached
    }

    /// How long it takes from the beginning of each recipe until all that wait for it are done, given how long each takes.
    /// The longest first is the order that ends first.
    pub fn critical(&self, takes: impl Fn(&str) -> Duration) -> Vec<Duration> {
        let mut after = vec![Duration::ZERO; self.names.len()];
        for at in (0..self.names.len()).rev() {
            after[at] += takes(&self.names[at]);
            for &needed in self.needs[at].keys() {
                after[needed] = after[needed].max(after[at]);
            }
        }
        after
    }

    /// How long it takes until all of `open` are built, so many at once, in the order that [`Graph::critical`] gives.
    pub fn lasts(&self, open: &BTreeSet<usize>, at_once: usize, takes: impl Fn(&str) -> Duration) -> Duration {
        let of_open = |name: &str| match self.names.iter().position(|known| known == name) {
            Some(at) if open.contains(&at) => takes(name),
            _ => Duration::ZERO,
        };
        let critical = self.critical(of_open);
        let (mut waiting, mut running, mut now) = (open.clone(), Vec::<(Duration, usize)>::new(), Duration::ZERO);
        loop {
            let is_open = |at: &usize| waiting.contains(at) || running.iter().any(|(_, running)| running == at);
            let is_ready = |at: &&usize| !self.needs[**at].keys().any(&is_open);
            let next = waiting.iter().filter(is_ready).max_by_key(|at| critical[**at]).copied();
            if let Some(at) = next.filter(|_| running.len() < at_once.max(1)) {
                waiting.remove(&at);
                running.push((now + takes(&self.names[at]), at));
                continue;
            }
            let Some(first) = (0..running.len()).min_by_key(|index| running[*index].0) else { return now };
            now = running.swap_remove(first).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{Recipe, Tools, tree::Located};

    /// Each line is `name: linked linked`.
    fn tree(spec: &str) -> RecipeTree {
        let recipes = spec.lines().map(|line| {
            let (name, needs) = line.trim().split_once(':').unwrap();
            let linked: Vec<String> = needs.split_whitespace().map(|name| format!("{name:?}")).collect();
            let text = format!(
                "name = '{name}'\nversion = '1'\nsummary = 's'\nlicense = 'MIT'\n[needs]\nlinked = [{}]\n",
                linked.join(",")
            );
            let path = PathBuf::from(format!("{name}.toml"));
            (name.to_owned(), Located { recipe: Recipe::parse(&text, &path).unwrap(), path })
        });
        RecipeTree { directory: PathBuf::new(), tools: Tools::default(), recipes: recipes.collect() }
    }

    #[test]
    fn each_comes_after_what_it_needs() {
        let tree = tree("curl: openssl zlib\nopenssl: zlib\nzlib:\nother:");
        let graph = Graph::new(&tree, &["curl".to_owned()]).unwrap();
        assert_eq!(graph.names, ["zlib", "openssl", "curl"]);
        assert_eq!(graph.closure(2), [0, 1].into());
        let seconds = |name: &str| Duration::from_secs(if name == "openssl" { 100 } else { 1 });
        assert_eq!(graph.critical(seconds), [102, 101, 1].map(Duration::from_secs));
    }

    #[test]
    fn in_a_closed_world_all_are_linked_to_the_c_library() {
        let mut tree = tree("zlib:\nruntime:\nlibc:");
        tree.tools.closed = ["runtime", "libc"].map(str::to_owned).into();
        let graph = Graph::new(&tree.closed(), &["zlib".to_owned()]).unwrap();
        assert_eq!(graph.names, ["libc", "runtime", "zlib"]);
    }

    #[test]
    fn how_long_it_lasts_depends_on_how_many_there_are() {
        let tree = tree("a:\nb: a\nc: a\nd: a\ne: b c d");
        let graph = Graph::new(&tree, &["e".to_owned()]).unwrap();
        let check = |open: &str, at_once: usize, seconds: u64| {
            let open = graph.names.iter().enumerate().filter(|(_, name)| open.contains(name.as_str()));
            let open: BTreeSet<usize> = open.map(|(at, _)| at).collect();
            let takes = |name: &str| Duration::from_secs(if name == "d" { 4 } else { 2 });
            assert_eq!(graph.lasts(&open, at_once, takes), Duration::from_secs(seconds));
        };
        check("abcde", 1, 12);
        check("abcde", 2, 8);
        check("abcde", 9, 8);
        check("bcd", 1, 8);
        check("bcd", 2, 4);
        check("", 1, 0);
    }

    #[test]
    fn what_cannot_be_ordered_is_named() {
        let unknown = Graph::new(&tree("a: b"), &["a".to_owned()]).unwrap_err();
        assert_eq!(unknown.to_string(), "there is no recipe `b`, which a needs");
        let circle = Graph::new(&tree("a: b\nb: a"), &["a".to_owned()]).unwrap_err();
        assert!(matches!(circle, GraphError::Circle { names } if names.len() == 2));
    }
}
