//! One difference between two interfaces, and what it means for someone compiled against the old one.

/// What a difference does to a consumer that was compiled against the old side and runs with the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Nothing: it keeps working without being compiled again.
    Compatible,
    /// It cannot be told from what was seen.
    Unclear,
    /// It would fail, or compute something else.
    Breaks,
}

/// One difference between two interfaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change {
    /// What it does to the consumer.
    pub effect: Effect,
    /// The exported symbol through which a consumer meets it, mangled as in the file, with `@VERSION` where it has one.
    pub symbol: String,
    /// The reason as a person would say it: "struct foo grew from 24 to 32 bytes; bar passes it by value".
    pub text: String,
}
