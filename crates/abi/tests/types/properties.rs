//! What holds of every interface.

use aleph_abi::types::{Interface, Query, compare};
use proptest::prelude::*;

use crate::harness::{Case, Language::C, library, read_library};

fn changes(old: &Interface, new: &Interface) -> usize {
    compare(old, new, &Query { wanted: &|_| true, copied: &|_| false, view: None, public: None }).len()
}

/// The type of a member or parameter.
fn member() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "int",
            "char",
            "long",
            "double",
            "unsigned short",
            "void *",
            "const char *",
            "_Bool"
        ])
        .prop_map(str::to_owned),
        (0..4_u8).prop_map(|number| format!("struct s{number} *")),
        (0..2_u8).prop_map(|number| format!("enum e{number}")),
        Just("int (*)(long, char *)".to_owned()),
    ]
}

fn declared(of: &str, name: &str) -> String {
    if of.contains("(*)") { of.replacen("(*)", &format!("(*{name})"), 1) } else { format!("{of} {name}") }
}

/// A header's types, one text each, in any order that C allows: structures refer to each other through pointers.
fn types() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop::collection::vec(member(), 1..5), 4).prop_map(|structs| {
        let text = |(at, members): (usize, &Vec<String>)| {
            let members: String =
                members.iter().enumerate().map(|(at, of)| format!("{}; ", declared(of, &format!("m{at}")))).collect();
            format!("struct s{at} {{ {members}}};")
        };
        structs.iter().enumerate().map(text).collect()
    })
}

const BEFORE: &str = "enum e0 { A, B }; enum e1 { C = -1, D }; struct s0; struct s1; struct s2; struct s3;\n";
const FUNCTIONS: [&str; 4] = [
    "void f(struct s0 *a, struct s1 *b) {}",
    "struct s2 *g(enum e0 e) { return 0; }",
    "struct s3 value;",
    "int h(struct s1 a, int (*c)(struct s2 *)) { return 0; }",
];

fn interface(header: &str, source: &str) -> Interface {
    let directory = tempfile::tempdir().unwrap();
    read_library(&library(directory.path(), &Case { language: C, header, source, ..Case::default() }, true))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn order_means_nothing_and_content_everything(
        types in types(), other in types(), order in Just([0, 1, 2, 3]).prop_shuffle(),
    ) {
        let header = format!("{BEFORE}{}", types.join("\n"));
        let first = interface(&header, &FUNCTIONS.join("\n"));
        prop_assert_eq!(changes(&first, &first), 0);

        let shuffled: Vec<&str> = order.iter().map(|at| types[*at].as_str()).collect();
        let functions: Vec<&str> = order.iter().map(|at| FUNCTIONS[*at]).collect();
        let second = interface(&format!("{BEFORE}{}", shuffled.join("\n")), &functions.join("\n"));
        prop_assert_eq!(first.fingerprint(), second.fingerprint());
        prop_assert_eq!(changes(&first, &second), 0);

        let third = interface(&format!("{BEFORE}{}", other.join("\n")), &FUNCTIONS.join("\n"));
        prop_assert_eq!(first.fingerprint() == third.fingerprint(), changes(&first, &third) == 0);
        prop_assert_eq!(first.fingerprint() == third.fingerprint(), changes(&third, &first) == 0);
    }
}
