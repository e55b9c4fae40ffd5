//! Who uses a component: views and their generations, and in each the packages that reach it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aleph_component::ComponentId;
use aleph_store::Store;
use aleph_view::{Generation, Kind, Pinned, View, Views};

use crate::failure::Outcome;

/// A generation of a view.
pub(crate) struct Use {
    pub(crate) view: View,
    pub(crate) generation: Generation,
    pub(crate) is_current: bool,
}

/// All generations of all views, the current ones first.
pub(crate) struct Uses(pub(crate) Vec<Use>);

impl Uses {
    pub(crate) fn read(store: &Store) -> Outcome<Self> {
        let mut all = Vec::new();
        for view in Views::new(store).list()? {
            let current = view.current_number()?;
            for number in view.numbers()? {
                // One that is being removed, or damaged: `store verify` tells.
                let Ok(generation) = view.generation(number) else { continue };
                all.push(Use { view: view.clone(), is_current: current == Some(number), generation });
            }
        }
        all.sort_by_key(|one| !one.is_current);
        Ok(Self(all))
    }

    /// The generations that views are at.
    pub(crate) fn current(&self) -> impl Iterator<Item = &Use> {
        self.0.iter().filter(|one| one.is_current)
    }
}

impl Use {
    /// The view's name.
    pub(crate) fn name(&self) -> &str {
        self.view.record.name.as_str()
    }

    /// Its packages of these components.
    pub(crate) fn of<'a>(&'a self, components: &'a BTreeSet<ComponentId>) -> impl Iterator<Item = &'a Pinned> {
        self.generation.packages.iter().filter(|package| components.contains(&package.component))
    }

    /// What to say before a command for this view, and where.
    pub(crate) fn command(&self, what: &str) -> String {
        match (self.view.record.kind, &self.view.record.project) {
            (Kind::Project, Some(directory)) => format!("aleph {what}, in {}", directory.display()),
            _ => format!("aleph --view {} {what}", self.name()),
        }
    }

    /// Packages that are bound to one of `goals` (keys), directly and through others, without the goals themselves.
    pub(crate) fn reached_from(&self, goals: &BTreeSet<String>) -> Reached {
        let mut users: BTreeMap<&str, Vec<&Pinned>> = BTreeMap::new();
        for package in &self.generation.packages {
            for provider in package.slots.values() {
                users.entry(provider).or_default().push(package);
            }
        }
        let mut reached = Reached::default();
        let mut seen: BTreeSet<String> = goals.clone();
        let mut todo: VecDeque<(String, bool)> = goals.iter().map(|goal| (goal.clone(), true)).collect();
        while let Some((key, is_goal)) = todo.pop_front() {
            for user in users.get(key.as_str()).into_iter().flatten() {
                if seen.insert(user.key()) {
                    let side = if is_goal { &mut reached.directly } else { &mut reached.through };
                    side.push(user.key());
                    todo.push_back((user.key(), false));
                }
            }
        }
        reached.directly.sort();
        reached.through.sort();
        reached
    }
}

/// Packages that are bound to something.
#[derive(Default, serde::Serialize)]
pub(crate) struct Reached {
    pub(crate) directly: Vec<String>,
    pub(crate) through: Vec<String>,
}
