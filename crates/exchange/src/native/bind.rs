//! Which library each program and library of a tree gets, and how it finds it.

use std::collections::{BTreeMap, BTreeSet};

use aleph_abi::edit::Edits;
use aleph_component::{
    TreePath,
    native::{LINKS, Slot, Target},
};

use super::{
    Description, NativeError, Offers, Tree,
    binary::{Binary, is_interpreter, is_libc},
    scan::{file_name, is_searched},
};

/// What was decided for a tree.
#[derive(Default)]
pub(super) struct Bindings {
    pub(super) slots: BTreeMap<String, Slot>,
    pub(super) host: BTreeSet<String>,
    /// What is changed in each file.
    pub(super) edits: BTreeMap<TreePath, Edits>,
    /// What is left to chance, in words.
    pub(super) notes: Vec<String>,
    /// The interpreters of programs that get their own.
    pub(super) interpreters: BTreeMap<TreePath, Target>,
}

/// Where a library is.
enum Place<'a> {
    Own(&'a TreePath),
    Slot(&'a str, &'a TreePath),
    Host,
}

impl Tree {
    /// Binds every needed name.
    pub(super) fn bind(&self, of: &Description, offers: &Offers) -> Result<Bindings, NativeError> {
        let mut bindings = Bindings::default();
        let mut missing: Vec<(&str, &TreePath)> = Vec::new();
        for (path, binary) in &self.binaries {
            let interpreter = binary.interpreter.as_deref().map(file_name);
            let named = binary.needed.iter().map(String::as_str).filter(|soname| !soname.contains('/'));
            for soname in named.chain(interpreter) {
                match self.find(of, (path, binary), offers, soname) {
                    Some(place) => bindings.note(soname, &place, offers),
                    None if self.is_plugin(path, binary) => {
                        bindings.host.insert(soname.to_owned());
                        bindings
                            .notes
                            .push(format!("`{path}` needs {soname}, which nothing offers: the host may have it"));
                    }
                    None => missing.push((soname, path)),
                }
            }
        }
        let offered = |soname: &str| {
            let other = offers.get(soname).is_some_and(|offer| offer.name != of.name);
            other || self.own(soname).is_some() || of.host.iter().any(|host| host == soname)
        };
        if let Some(soname) = of.opens.iter().find(|soname| !offered(soname)) {
            return Err(NativeError::Unresolved { sonames: vec![soname.clone()], needed_by: "--dlopen".to_owned() });
        }
        if let Some((_, first)) = missing.first() {
            let sonames: BTreeSet<&str> = missing.iter().map(|(soname, _)| *soname).collect();
            return Err(NativeError::Unresolved {
                sonames: sonames.into_iter().map(str::to_owned).collect(),
                needed_by: first.to_string(),
            });
        }
        for (path, binary) in &self.binaries {
            let edits = self.edits(of, (path, binary), offers, &mut bindings);
            if edits != Edits::default() {
                bindings.edits.insert(path.clone(), edits);
            }
        }
        Ok(bindings)
    }

    fn edits(
        &self,
        of: &Description,
        (path, binary): (&TreePath, &Binary),
        offers: &Offers,
        bindings: &mut Bindings,
    ) -> Edits {
        let mut edits = Edits::default();
        let mut searched: Vec<String> =
            binary.searched.iter().filter_map(|part| relative_search(of, path, part)).collect();
        for soname in &binary.needed {
            if is_interpreter(soname) || (binary.is_library && is_libc(soname)) {
                continue;
            }
            match self.find(of, (path, binary), offers, soname) {
                // It would not be found by that name among what is loaded: it is searched for.
                Some(place @ (Place::Own(_) | Place::Slot(..))) if self.is_alias(soname, offers) => {
                    add_directory(&mut searched, &place.from(path));
                }
                Some(place @ (Place::Own(_) | Place::Slot(..))) => {
                    edits.paths.insert(soname.clone().into_bytes(), place.from(path));
                }
                Some(Place::Host) | None => {}
            }
        }
        for soname in binary.openable.iter().chain(&of.opens) {
            let place = match self.find(of, (path, binary), offers, soname) {
                // Only what it is bound to anyway: a string is no declaration.
                Some(Place::Slot(slot, _)) if !bindings.slots.contains_key(slot) && !of.opens.contains(soname) => {
                    continue;
                }
                Some(place @ (Place::Own(_) | Place::Slot(..))) => place,
                Some(Place::Host) | None => continue,
            };
            bindings.note(soname, &place, offers);
            add_directory(&mut searched, &place.from(path));
        }
        if searched != binary.searched {
            edits.runpath = Some(searched.join(":"));
        }
        // Some libraries, such as libc.so.6, can be run to say what they are. It is no use to have a copy for that.
        let interpreter = binary.interpreter.as_deref().filter(|_| !binary.is_library);
        if let Some(interpreter) = interpreter {
            let target = match self.find(of, (path, binary), offers, file_name(interpreter)) {
                Some(Place::Own(file)) => Some(Target::File { path: file.clone() }),
                Some(Place::Slot(slot, file)) => Some(Target::Slot { name: slot.to_owned(), path: file.clone() }),
                Some(Place::Host) | None => None,
            };
            if let Some(target) = target {
                edits.reserve_interpreter = true;
                bindings.interpreters.insert(path.clone(), target);
            }
        }
        edits
    }

    /// Whether a file is opened by those only who can do without it.
    fn is_plugin(&self, path: &TreePath, binary: &Binary) -> bool {
        binary.is_library && !is_searched(path)
    }

    fn is_alias(&self, name: &str, offers: &Offers) -> bool {
        if self.offers.contains_key(name) {
            return false;
        }
        self.aliases.contains_key(name) || offers.get(name).is_some_and(|offer| offer.is_alias)
    }

    /// Where a library is found for a file: in its own directories, in its tree, with others, on the host.
    fn find<'a>(
        &'a self,
        of: &Description,
        (path, binary): (&TreePath, &Binary),
        offers: &'a Offers,
        soname: &str,
    ) -> Option<Place<'a>> {
        let beside = binary.searched.iter().find_map(|part| {
            let directory = inside(of, path, part)?;
            let wanted = if directory.is_empty() { soname.to_owned() } else { format!("{directory}/{soname}") };
            let at = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(&wanted)).ok()?;
            Some(&self.entries[at].path)
        });
        if let Some(own) = beside.or_else(|| self.own(soname)) {
            return Some(Place::Own(own));
        }
        if of.host.iter().any(|host| host == soname) {
            return Some(Place::Host);
        }
        // Another version of itself is no provider.
        let offer = offers.get(soname).filter(|offer| offer.name != of.name);
        offer.map(|offer| Place::Slot(&offer.name, &offer.path))
    }
}

impl Tree {
    /// The text of a symbolic link, relative if it leads into the tree by an absolute path. Of a tree that was made for the
    /// root, what it does not have is the host's.
    pub(super) fn relative_target(&self, of: &Description, link: &TreePath, target: &str) -> String {
        let inner = below(of, target).filter(|_| target.starts_with('/')).map(|rest| rest.trim_matches('/'));
        let inner = inner.filter(|inner| !of.prefix.is_empty() || self.has(inner));
        let Some(Ok(inner)) = inner.map(TreePath::new) else { return target.to_owned() };
        Place::Own(&inner).from(link).trim_start_matches("$ORIGIN/").to_owned()
    }
}

impl Bindings {
    fn note(&mut self, soname: &str, place: &Place<'_>, offers: &Offers) {
        match place {
            Place::Own(_) => {}
            Place::Host => drop(self.host.insert(soname.to_owned())),
            Place::Slot(slot, file) => {
                let built_with = offers.get(soname).and_then(|offer| offer.component);
                let slot = self.slots.entry((*slot).to_owned());
                let slot = slot.or_insert_with(|| Slot { built_with, libraries: BTreeMap::new() });
                slot.libraries.insert(soname.to_owned(), (*file).clone());
            }
        }
    }
}

impl Place<'_> {
    /// The path by which a file at `from` reaches it.
    fn from(&self, from: &TreePath) -> String {
        let parent = from.parent().map(|parent| parent.split('/').collect::<Vec<_>>()).unwrap_or_default();
        let (common, rest) = match self {
            Self::Own(file) => {
                let parts: Vec<&str> = file.as_str().split('/').collect();
                let same = parent.iter().zip(&parts).take_while(|(a, b)| a == b).count();
                (same, parts[same..].join("/"))
            }
            Self::Slot(slot, file) => (0, format!("{LINKS}/{slot}/{file}")),
            Self::Host => (0, String::new()),
        };
        format!("$ORIGIN/{}{rest}", "../".repeat(parent.len() - common))
    }
}

/// Adds the directory of a file to a search path.
fn add_directory(searched: &mut Vec<String>, file: &str) {
    let directory = file.rsplit_once('/').map_or("$ORIGIN", |(directory, _)| directory).to_owned();
    if !searched.contains(&directory) {
        searched.push(directory);
    }
}

/// The directory of the tree that a part of a file's search path means; nothing if it lies elsewhere.
fn inside(of: &Description, file: &TreePath, part: &str) -> Option<String> {
    let start = match origin(part) {
        Some(rest) => format!("{}/{rest}", file.parent().unwrap_or_default()),
        None => below(of, part)?.to_owned(),
    };
    let mut parts = Vec::new();
    for name in start.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// A part of a search path, made relative. What lies outside the tree is not searched any more.
fn relative_search(of: &Description, file: &TreePath, part: &str) -> Option<String> {
    if origin(part).is_some() {
        return Some(part.to_owned());
    }
    let directory = inside(of, file, part)?;
    let directory = if directory.is_empty() { TreePath::new(".x") } else { TreePath::new(&directory) }.ok()?;
    Some(Place::Own(&directory).from(file).trim_end_matches(".x").trim_end_matches('/').to_owned())
}

fn origin(part: &str) -> Option<&str> {
    part.strip_prefix("$ORIGIN").or_else(|| part.strip_prefix("${ORIGIN}"))
}

/// What follows the prefix in an absolute path below it.
fn below<'a>(of: &Description, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(of.prefix.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}
