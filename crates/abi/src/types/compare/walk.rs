//! Following pairs of types from what a symbol is to everything that it reaches.

use std::collections::{HashMap, HashSet};

use super::{Query, enumeration, function, record, scalar};
use crate::{
    Effect,
    types::{
        graph::{Graph, Qualifier, Type, TypeId},
        interface::{Interface, Role},
        layout,
        record::{Origin, Record},
        text::type_name,
    },
};

/// How a type is used where it is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Use {
    pub(super) how: How,
    /// Whether the consumer may provide the value: it comes in through a parameter, or the consumer may write to it.
    pub(super) given: bool,
    /// Whether the function around it may be the consumer's own, called by the library: a pointer to a function.
    pub(super) callback: bool,
    /// Whether it is what a parameter itself points to, and not something farther away.
    pub(super) direct: bool,
    /// Whether it is an exported variable itself, and not a part of one.
    pub(super) variable: bool,
}

/// The ways of using a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum How {
    /// The function that is called.
    Call,
    /// Taken by value.
    Parameter,
    /// Returned by value.
    Return,
    /// In memory that both sides know: a variable, a member, an element, a base class.
    Value,
    /// Behind a pointer.
    Pointee,
}

impl Use {
    /// An exported function.
    pub(super) fn direct() -> Self {
        Self { how: How::Call, given: false, callback: false, direct: false, variable: false }
    }

    /// An exported variable.
    pub(super) fn variable(constant: bool) -> Self {
        Self { how: How::Value, given: !constant, callback: false, direct: false, variable: true }
    }

    /// A parameter or result of a function.
    pub(super) fn passed(how: How, given: bool, callback: bool) -> Self {
        Self { how, given, callback, direct: false, variable: false }
    }

    /// A part of a class.
    pub(super) fn part() -> Self {
        Self { how: How::Value, given: true, callback: false, direct: false, variable: false }
    }

    /// The same use of a part.
    pub(super) fn with(self, how: How) -> Self {
        Self { how, direct: false, variable: false, ..self }
    }
}

/// Two types that ought to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    pub(super) old: TypeId,
    pub(super) new: TypeId,
    pub(super) usage: Use,
}

/// What was found out about one pair, without what it reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) effect: Effect,
    pub(super) text: String,
}

/// Collects what is found about one pair.
#[derive(Default)]
pub(super) struct Local {
    pub(super) findings: Vec<Finding>,
    pub(super) next: Vec<Pair>,
}

impl Local {
    pub(super) fn breaks(&mut self, text: String) {
        self.findings.push(Finding { effect: Effect::Breaks, text });
    }

    pub(super) fn unclear(&mut self, text: String) {
        self.findings.push(Finding { effect: Effect::Unclear, text });
    }

    pub(super) fn compatible(&mut self, text: String) {
        self.findings.push(Finding { effect: Effect::Compatible, text });
    }

    pub(super) fn follow(&mut self, old: TypeId, new: TypeId, usage: Use) {
        self.next.push(Pair { old, new, usage });
    }

    /// Whether anything worse than a compatible change was found.
    pub(super) fn is_bad(&self) -> bool {
        self.findings.iter().any(|finding| finding.effect != Effect::Compatible)
    }
}

/// One comparison, with what is known so far.
pub(super) struct Walk<'c> {
    pub(super) old: &'c Interface,
    pub(super) new: &'c Interface,
    pub(super) query: &'c Query<'c>,
    known: HashMap<Pair, usize>,
    locals: Vec<Local>,
    /// Records that exported functions pass by value: whoever calls those has their definition.
    by_value: HashSet<TypeId>,
}

impl<'c> Walk<'c> {
    pub(super) fn new(old: &'c Interface, new: &'c Interface, query: &'c Query<'c>) -> Self {
        let mut by_value = HashSet::new();
        for item in old.items.values() {
            if let (Role::Function, Type::Function(function)) = (item.role, old.graph.get(item.of)) {
                by_value.insert(old.graph.strip(function.returns));
                by_value.extend(function.parameters.iter().map(|of| old.graph.strip(*of)));
            }
        }
        Self { old, new, query, known: HashMap::new(), locals: Vec::new(), by_value }
    }

    /// Calls `each` with everything found about a pair and what it reaches.
    pub(super) fn reach(&mut self, root: Pair, mut each: impl FnMut(&Pair, &Finding)) {
        let mut seen = HashSet::from([root]);
        let mut stack = vec![root];
        while let Some(pair) = stack.pop() {
            let at = self.look(pair);
            for finding in &self.locals[at].findings {
                each(&pair, finding);
            }
            stack.extend(self.locals[at].next.iter().filter(|next| seen.insert(**next)));
        }
    }

    fn look(&mut self, pair: Pair) -> usize {
        if let Some(at) = self.known.get(&pair) {
            return *at;
        }
        let mut local = Local::default();
        if self.old.fingerprint_of(pair.old) != self.new.fingerprint_of(pair.new) {
            self.local(pair, &mut local);
            let (old, new) = (self.old, self.new);
            local.next.retain(|next| old.fingerprint_of(next.old) != new.fingerprint_of(next.new));
        }
        self.locals.push(local);
        self.known.insert(pair, self.locals.len() - 1);
        self.locals.len() - 1
    }

    fn local(&self, pair: Pair, local: &mut Local) {
        let (old, new) = (&self.old.graph, &self.new.graph);
        let (from, to) = (old.strip(pair.old), new.strip(pair.new));
        self.qualifiers(pair, local);
        match (old.get(from), new.get(to)) {
            (Type::Unknown(_), _) | (_, Type::Unknown(_)) => {
                local.unclear("has a type that cannot be read".to_owned());
            }
            (Type::Void, Type::Void) => {}
            (Type::Unspecified(left), Type::Unspecified(right)) if old.text(*left) == new.text(*right) => {}
            (
                Type::Pointer(left) | Type::Reference { to: left, .. },
                Type::Pointer(right) | Type::Reference { to: right, .. },
            ) => self.pointers(*left, *right, pair.usage, local),
            (Type::MemberPointer { class, to: left }, Type::MemberPointer { class: other, to: right }) => {
                if self.size(old, from) != self.size(new, to) {
                    self.replaced(pair, local);
                }
                local.follow(*class, *other, pair.usage.with(How::Pointee));
                local.follow(*left, *right, pair.usage.with(How::Pointee));
            }
            (Type::Array { of: left, count }, Type::Array { of: right, count: other }) => {
                if count != other && !matches!((count, other), (None | Some(0), None | Some(0))) {
                    let texts = (type_name(old, pair.old), type_name(new, pair.new));
                    let text = format!("{} is now {}", texts.0, texts.1);
                    let open = pair.usage.how == How::Pointee && (count.is_none() || other.is_none());
                    // Who has a copy of a variable (a copy relocation) has it in the size of its symbol: that is
                    // compared with the symbols. Others index what they know.
                    let longer =
                        pair.usage.variable && count.is_none_or(|count| other.is_some_and(|other| other > count));
                    match () {
                        () if longer => local.compatible(text),
                        () if open => local.unclear(text),
                        () => local.breaks(text),
                    }
                }
                local.follow(*left, *right, pair.usage.with(pair.usage.how));
            }
            (Type::Vector { of: left, count }, Type::Vector { of: right, count: other }) => {
                if count == other {
                    local.follow(*left, *right, pair.usage);
                } else {
                    self.replaced(pair, local);
                }
            }
            (Type::Function(left), Type::Function(right)) => function::compare(self, left, right, pair.usage, local),
            (Type::Record(left), Type::Record(right)) => record::compare(self, (from, left), (to, right), pair, local),
            (Type::Enumeration(left), Type::Enumeration(right)) => enumeration::compare(self, left, right, local),
            (left, right) if scalar::is_scalar(left) && scalar::is_scalar(right) => {
                scalar::compare(self, pair, local);
            }
            (Type::Void, _) | (_, Type::Void) if pair.usage.how == How::Pointee => self.generic(pair, local),
            _ => self.replaced(pair, local),
        }
    }

    /// "`int` is now `long`".
    pub(super) fn replaced(&self, pair: Pair, local: &mut Local) {
        let (from, to) = (type_name(&self.old.graph, pair.old), type_name(&self.new.graph, pair.new));
        if from == to {
            local.breaks(format!("what {from} means has changed"));
        } else {
            local.breaks(format!("{from} is now {to}"));
        }
    }

    /// Pointers are passed alike whatever they point to.
    fn pointers(&self, left: TypeId, right: TypeId, usage: Use, local: &mut Local) {
        let (old, new) = (&self.old.graph, &self.new.graph);
        if usage.how == How::Return
            && let (Type::Record(from), Type::Record(to)) = (old.get(old.strip(left)), new.get(new.strip(right)))
            && let (Some(base), Some(derived)) = (from.name, to.name)
            && old.text(base) != new.text(derived)
            && layout::starts_with(new, right, old.text(base), 0)
        {
            // A covariant return type: what is returned starts with what was promised.
            local.compatible(format!("returns {} instead of {}", type_name(new, right), type_name(old, left)));
            return;
        }
        let function = matches!(old.get(old.strip(left)), Type::Function(_));
        let callback = usage.callback || function;
        let direct = usage.how == How::Parameter;
        local.follow(
            left,
            right,
            Use { how: How::Pointee, given: usage.given || function, callback, direct, variable: false },
        );
    }

    /// `void *` takes and gives anything: what was said of the bytes was said elsewhere.
    fn generic(&self, pair: Pair, local: &mut Local) {
        let (old, new) = (&self.old.graph, &self.new.graph);
        let (from, to) = (old.strip(pair.old), new.strip(pair.new));
        let text = format!("{} * is now {} *", type_name(old, pair.old), type_name(new, pair.new));
        let bytes = self.size(old, from) == Some(1) || self.size(new, to) == Some(1);
        let widened = matches!(new.get(to), Type::Void) && pair.usage.given && !pair.usage.callback;
        let handle = match new.get(to) {
            Type::Record(record) => record.declaration || record.origin == Origin::Source,
            _ => false,
        };
        if bytes || widened || handle { local.compatible(text) } else { local.unclear(text) }
    }

    /// `const` and its kind say who may write; they move nothing.
    fn qualifiers(&self, pair: Pair, local: &mut Local) {
        if pair.usage.how != How::Pointee {
            return;
        }
        let (old, new) = (&self.old.graph, &self.new.graph);
        let text = || format!("{} * is now {} *", type_name(old, pair.old), type_name(new, pair.new));
        let [before, after] = [outer(old, pair.old, Qualifier::Const), outer(new, pair.new, Qualifier::Const)];
        if before && !after && pair.usage.given && !pair.usage.callback && pair.usage.direct {
            // The library did not write to it, and now asks to: what consumers pass may be read-only.
            local.breaks(text());
        } else if before != after
            || outer(old, pair.old, Qualifier::Volatile) != outer(new, pair.new, Qualifier::Volatile)
        {
            local.compatible(text());
        }
    }

    /// What changed about a variable itself.
    pub(super) fn variable(&self, old: TypeId, new: TypeId) -> Vec<Finding> {
        let mut local = Local::default();
        let (before, after) = (self.is_constant(old), layout::is_read_only(&self.new.graph, new));
        if !before && after {
            local.breaks("is now read-only: writing to it fails".to_owned());
        } else if before && !after {
            local.compatible("is no longer read-only".to_owned());
        }
        local.findings
    }

    /// Whether a variable of the old interface is read-only.
    pub(super) fn is_constant(&self, of: TypeId) -> bool {
        layout::is_read_only(&self.old.graph, of)
    }

    /// Whether consumers cannot know the layout of a record of the old interface.
    pub(super) fn is_opaque(&self, id: TypeId, record: &Record) -> bool {
        if record.declaration {
            return true;
        }
        let graph = &self.old.graph;
        if let (Some(view), Some(name)) = (self.query.view, record.name) {
            let (sight, polymorphic) =
                (view.sight(graph.text(name)), record.vptr.is_some() || !record.virtuals.is_empty());
            if sight.complete {
                return false;
            }
            // The compiler leaves classes with virtual functions to the unit that has their key function.
            if view.is_opaque(graph.text(name)) && !polymorphic && record.bases.iter().all(|base| !base.is_virtual) {
                return true;
            }
        }
        if self.by_value.contains(&id) {
            return false;
        }
        match (self.query.public, record.file) {
            (Some(public), Some(file)) => !public(graph.text(file)),
            _ => record.origin == Origin::Source,
        }
    }

    pub(super) fn size(&self, graph: &Graph, id: TypeId) -> Option<u64> {
        layout::size(graph, id, self.old.word)
    }
}

/// Whether the outermost layer of a type has the qualifier.
fn outer(graph: &Graph, mut id: TypeId, wanted: Qualifier) -> bool {
    for _ in 0..graph.len() {
        match graph.get(id) {
            Type::Qualified { qualifier, .. } if *qualifier == wanted => return true,
            Type::Typedef { of, .. } | Type::Qualified { of, .. } => id = *of,
            _ => break,
        }
    }
    false
}
