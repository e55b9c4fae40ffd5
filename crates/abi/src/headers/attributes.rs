//! Attributes: what a declaration promises besides its type, and which of these promises a compiler builds on.

use super::{
    declaration::close,
    function, text,
    token::{Kind, Token},
};

/// What an attribute that is lost or new does to someone who was compiled against the old header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It says nothing that a compiler builds calls on.
    Harmless,
    /// A promise to the caller: bad to lose.
    Promise,
    /// A change either way is bad.
    Matters,
    /// A macro that nothing is known of.
    Unknown,
}

const HARMLESS: &[&str] = &[
    "deprecated",
    "nodiscard",
    "maybe_unused",
    "unused",
    "warn_unused_result",
    "format",
    "format_arg",
    "sentinel",
    "visibility",
    "access",
    "cold",
    "hot",
    "nonnull",
    "used",
    "section",
    "externally_visible",
    "override",
    "noinline",
    "warning",
    "diagnose_if",
    "unavailable",
    "availability",
    "nonstring",
    "fallthrough",
    "likely",
    "unlikely",
    "nothrow_unless_cancelled",
    "tainted_args",
    "fd_arg",
    "null_terminated_string_arg",
    "no_sanitize",
    "artificial",
];
const PROMISES: &[&str] = &[
    "const",
    "pure",
    "noexcept",
    "noreturn",
    "malloc",
    "alloc_size",
    "alloc_align",
    "returns_nonnull",
    "assume_aligned",
    "leaf",
    "unsequenced",
    "reproducible",
];

/// Weighs an attribute as [`split`] spells it.
pub(super) fn weight(attribute: &str) -> Weight {
    let name = attribute.split([' ', '(']).next().unwrap_or(attribute);
    if HARMLESS.contains(&name) || attribute.to_ascii_uppercase().contains("DEPRECATED") {
        Weight::Harmless
    } else if PROMISES.contains(&name) {
        Weight::Promise
    } else if attribute.starts_with('[') || attribute.starts_with("final") {
        Weight::Matters
    } else {
        Weight::Unknown
    }
}

/// Whether it is a word of the language that stands where attributes do.
pub(super) fn is_word(token: &Token) -> bool {
    ["noexcept", "throw", "override", "final", "_Noreturn"].iter().any(|word| token.is(word))
}

/// The tokens without attributes.
pub(super) fn without(tokens: &[Token]) -> Vec<Token> {
    split(tokens).1
}

/// The attributes that are not within brackets, each in one spelling, and the tokens without them. An attribute that is
/// not known to be harmless or a promise is in square brackets.
pub(super) fn split(tokens: &[Token]) -> (Vec<String>, Vec<Token>) {
    let (mut attributes, mut rest) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next_is = |text: &str| tokens.get(at + 1).is_some_and(|next| next.is(text));
        let mut end = at + 1;
        if token.is("(") || token.is("{") || token.is("[") && !next_is("[") {
            end = close(tokens, at) + 1;
            rest.extend_from_slice(tokens.get(at..end.min(tokens.len())).unwrap_or_default());
        } else if token.is("[") || (token.is("__attribute__") || token.is("__attribute")) && next_is("(") {
            let open = if token.is("[") { at } else { at + 1 };
            end = close(tokens, open) + 1;
            list(tokens.get(open + 2..end.saturating_sub(2)).unwrap_or_default(), &mut attributes);
        } else if (token.is("__declspec") || token.is("alignas") || token.is("_Alignas")) && next_is("(") {
            end = close(tokens, at + 1) + 1;
            let text = text::canonical(tokens.get(at..end.min(tokens.len())).unwrap_or_default());
            attributes.push(format!("[{text}]"));
        } else if token.is("noexcept") || token.is("throw") {
            let (argument, after) = if next_is("(") {
                let close = close(tokens, at + 1);
                (tokens.get(at + 2..close).unwrap_or_default(), close + 1)
            } else {
                (&[][..], at + 1)
            };
            end = after;
            match (argument, token.is("throw")) {
                ([], _) => attributes.push("noexcept".to_owned()),
                ([one], false) if one.is("true") => attributes.push("noexcept".to_owned()),
                ([one], false) if one.is("false") => {}
                (argument, _) => attributes.push(format!("[{} {}]", token.text, text::canonical(argument))),
            }
        } else if let Some(meaning) = known_word(token) {
            attributes.push(meaning.to_owned());
        } else {
            rest.push(token.clone());
        }
        at = end;
    }
    attributes.sort();
    attributes.dedup();
    (attributes, rest)
}

/// Words that are attributes, and macros of the C library for them.
fn known_word(token: &Token) -> Option<&'static str> {
    if token.kind != Kind::Word {
        return None;
    }
    Some(match &*token.text {
        "final" => "final",
        "override" => "override",
        "_Noreturn" | "noreturn" => "noreturn",
        "__THROW" | "__NTH" | "_NOEXCEPT" | "_GLIBCXX_NOEXCEPT" | "_GLIBCXX_USE_NOEXCEPT" | "_GLIBCXX_NOTHROW" => {
            "noexcept"
        }
        "__THROWNL" => "nothrow_unless_cancelled",
        "__wur" => "nodiscard",
        "__attribute_pure__" => "pure",
        "__attribute_const__" => "const",
        "__attribute_malloc__" => "malloc",
        "__attribute_deprecated__" => "deprecated",
        _ => return None,
    })
}

/// The attributes between the brackets.
fn list(tokens: &[Token], attributes: &mut Vec<String>) {
    for attribute in function::split(tokens).filter(|attribute| !attribute.is_empty()) {
        let attribute = match attribute {
            [space, colons, rest @ ..] if space.is("gnu") && colons.is("::") => rest,
            _ => attribute,
        };
        let text = text::canonical(attribute);
        let name = text.split(' ').next().unwrap_or_default().trim_matches('_');
        let name = if name == "nothrow" { "noexcept" } else { name };
        let rest = text.split_once(' ').map_or("", |(_, rest)| rest).trim();
        let spelt = if rest.is_empty() { name.to_owned() } else { format!("{name} {rest}") };
        if weight(name) != Weight::Unknown {
            attributes.push(spelt);
        } else if !name.is_empty() {
            attributes.push(format!("[{spelt}]"));
        }
    }
}
