//! What is said of two headers, as data; and that what means the same is the same, whatever the bytes are.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Headers, Known, compare};

/// What is known: names that types compared, and functions that the consumer uses, if that is known.
#[derive(Default)]
struct Facts {
    compared: BTreeSet<&'static str>,
    used: Option<BTreeSet<&'static str>>,
}

impl Known for Facts {
    fn is_compared(&self, name: &str) -> bool {
        self.compared.contains(name)
    }

    fn uses(&self, function: &str) -> Option<bool> {
        self.used.as_ref().map(|used| used.contains(function))
    }
}

fn lines(old: &str, new: &str, known: &Facts) -> Vec<String> {
    let headers = |text: &str| Headers::parse([("lib.h", text)]);
    let changes = compare(&headers(old), &headers(new), known);
    changes.iter().map(|change| format!("{:?}: {}", change.effect, change.text)).collect()
}

/// Each expected line must be the beginning of what is said.
fn check_with(old: &str, new: &str, known: &Facts, expected: &[&str]) {
    let lines = lines(old, new, known);
    let is_right =
        lines.len() == expected.len() && lines.iter().zip(expected).all(|(line, start)| line.starts_with(start));
    assert!(is_right, "{old}\n→ {new}\n{lines:#?}");
}

fn check(old: &str, new: &str, expected: &[&str]) {
    check_with(old, new, &Facts::default(), expected);
}

#[test]
fn macros() {
    check(
        "#define N 32",
        "#define N 64",
        &["Breaks: macro N is 64 instead of 32; whoever was compiled with it has the old value inside"],
    );
    check("#define F(a, b) ((a) + b)", "#define F(x, y) ((x) + y)", &[]);
    check("#define F(a, b) ((a) + b)", "#define F(a, b) ((b) + a)", &["Breaks: macro F is ((b) + a)"]);
    check("#define F(x) x", "#define F (x) x", &["Breaks: macro F is"]);
    check("#define N 32", "", &[]);
    check("", "#define N 32", &[]);
    check("#define N 32", "enum { N = 32 };", &[]);
    check("enum { N = 32 };", "#define N 32", &[]);
    check("#define N 32", "enum { N = 33 };", &["Unclear: macro N was `32` and is now an enumerator"]);
    check("#define OLD", "#define OLD __attribute__((deprecated))", &[]);
    check("#define S \"a b\"", "#define S \"a  b\"", &["Breaks: macro S"]);
}

#[test]
fn conditions() {
    check("#ifndef A_H\n#define A_H\nint f(void);\n#endif", "#ifndef B_H\n#define B_H\nint f(void);\n#endif", &[]);
    let old = "#ifdef BIG\n#define N 2\n#else\n#define N 1\n#endif";
    check(old, old, &[]);
    check(old, &old.replace("BIG", "LARGE"), &["Unclear: macro N is"]);
    check(old, "#define N 1", &["Unclear: macro N is `2` no more"]);
    check("#define N 1", old, &["Unclear: macro N may now be `2`"]);
    check("#ifdef A\n#define N 1\n#endif", "#ifdef A\n#define N 1\n#else\n#define N 2\n#endif", &[]);
    check("#ifdef A\n#define N 1\n#endif", "#define N 1", &[]);
    check("#if 0\n#define N 1\n#endif", "#if 0\n#define N 2\n#endif", &[]);
}

#[test]
fn functions() {
    check("int f(int a, char *b);", "extern int f(int x, char *);", &[]);
    check("int f();", "int f(void);", &["Unclear: function f is declared"]);
    check("int f(int);", "int f(long);", &["Unclear: function f is declared `int f(long)` instead of `int f(int)`"]);
    let compared = Facts { compared: ["f"].into(), used: None };
    check_with("int f(int);", "int f(long);", &compared, &[]);
    check("int f(int) __attribute__((pure));", "int f(int);", &["Breaks: function f is no longer `pure`"]);
    check("int f(int);", "int f(int) __attribute__((pure));", &[]);
    check("int f(int);", "[[nodiscard]] int f(int);", &[]);
    let unused = Facts { compared: BTreeSet::new(), used: Some(["g"].into()) };
    check_with("int f(int) noexcept;", "int f(int);", &unused, &[]);
    check(
        "#define P __attribute__((const))\nint f(int) P;",
        "#define P __attribute__((const))\nint f(int);",
        &["Breaks: function f is no longer `const`"],
    );
    check("int f(int) UNSEEN;", "int f(int);", &["Unclear: function f is no longer `UNSEEN`"]);
    check("API(void) f(int a);", "API(void) f(int b);", &[]);
    check("int f(int a = 1);", "int f(int a = 2);", &["Breaks: function f takes 2 instead of 1"]);
    check("int f(int a);", "int f(int a = 2);", &[]);
    check(
        "inline int f() { return 1; }",
        "inline int f() { return 2; }",
        &["Breaks: inline function f does `{ return 2; }` instead of `{ return 1; }`"],
    );
    check("inline int f() { return 1; }", "int f();", &["Unclear: inline function f no longer shows its code"]);
    check("void (*f(int a))(int);", "void (*f(int b))(int);", &[]);
}

#[test]
fn records() {
    let old = "struct s { int a; };";
    check(old, "struct s { long a; };", &["Breaks: struct s holds `long a;` instead of `int a;`"]);
    let compared = Facts { compared: ["s", "n::C"].into(), used: None };
    check_with(old, "struct s { long a; };", &compared, &[]);
    check(old, "struct s;", &["Unclear: record s no longer shows what it holds"]);
    check("typedef struct { int a; } s;", "typedef struct { long a; } s;", &["Breaks: struct s holds"]);
    check("typedef struct s { int a; } t;", old, &[]);
    check("#pragma pack(1)\nstruct s { int a; };", old, &["Breaks: struct s holds"]);
    let class = "namespace n { class C { public: C() : a{1} {} virtual int f() const; int a = 1; static constexpr int k = 2; }; }";
    check_with(class, &class.replace("a = 1", "a = 5"), &compared, &["Breaks: member n::C::a is 5 instead of 1"]);
    check_with(class, &class.replace("k = 2", "k = 3"), &compared, &["Breaks: member n::C::k is 3 instead of 2"]);
    check_with(class, &class.replace("a{1}", "a{2}"), &compared, &["Breaks: inline method n::C::C does"]);
    check_with(
        class,
        &class.replace("f() const", "f() const final"),
        &compared,
        &["Breaks: method n::C::f is now `final`"],
    );
    check_with(class, &class.replace("class C", "class C final"), &compared, &["Breaks: n::C is now `final`"]);
}

#[test]
fn enumerations() {
    check("enum e { A, B };", "enum e { A, B, C };", &[]);
    check("enum e { A, B };", "enum e { A, C, B };", &["Breaks: B of enum e is 2 instead of 1"]);
    check("enum e { A = 0, B };", "enum e { A, B = 0x1 };", &[]);
    check("enum e { A, B };", "enum e { A, B_NEW };", &[]);
    check("enum { A = 1 };", "enum { B, A = 2 };", &["Breaks: A of the nameless enum is 2 instead of 1"]);
    check("enum { A = X };", "enum { A = X + 1 };", &["Breaks: A of the nameless enum is X + 1 instead of X"]);
}

#[test]
fn other_declarations() {
    check("static const int k = 1;", "static const int k = 2;", &["Breaks: constant k is 2 instead of 1"]);
    check("typedef int t;", "typedef long t;", &["Unclear: type t is `typedef long t`"]);
    check(
        "template <class T> T f(T x) { return x; }",
        "template <class T> T f(T x) { return -x; }",
        &["Breaks: inline template f does"],
    );
    check("DECLARE(one, 1);", "DECLARE(one, 2);", &["Unclear: DECLARE(one is"]);
    check("extern \"C\" { int f(int) noexcept; }", "int f(int) noexcept;", &[]);
}

/// Declarations that stand for themselves.
const PARTS: &[&str] = &[
    "#define A ( 1 )\n",
    "#define F( x ) ( x )\n",
    "struct s { int a ; char b [ 3 ] ; } ;\n",
    "enum e { X , Y = 4 } ;\n",
    "int f ( int a , const char * b ) __attribute__ ( ( pure ) ) ;\n",
    "static inline int g ( void ) { return 1 ; }\n",
    "namespace n { class C { public : C ( ) ; int m ( ) const { return 2 ; } } ; }\n",
    "template < class T > struct V { T v = 1 ; } ;\n",
    "typedef int ( * cb ) ( int ) ;\n",
    "static const int k = 5 ;\n",
    "#ifdef Q\nint h ( void ) ;\n#else\n#define h 2\n#endif\n",
];

proptest! {
    #[test]
    fn the_same_otherwise_written_is_the_same(order in Just((0..PARTS.len()).collect::<Vec<_>>()).prop_shuffle(), space in "( |\t|/\\*[a-z ]{0,5}\\*/|\\\\\n){1,3}") {
        let plain = PARTS.concat();
        let other: String = order.iter().map(|index| PARTS[*index]).collect();
        // A space inside of a directive must not make a macro look like a function, or no more.
        let other: String = other.split_inclusive('\n').map(|line| match line.starts_with('#') {
            true => line.to_owned(),
            false => line.replace(' ', &format!(" {space}")),
        }).collect();
        prop_assert_eq!(lines(&plain, &other, &Facts::default()), Vec::<String>::new());
        prop_assert_eq!(lines(&other, &plain, &Facts::default()), Vec::<String>::new());
    }

    #[test]
    fn any_bytes_are_the_same_as_themselves(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let headers = Headers::parse([("x", &bytes)]);
        prop_assert_eq!(compare(&headers, &headers, &Facts::default()), vec![]);
    }

    #[test]
    fn any_words_are_read(words in prop::collection::vec(prop::sample::select(WORDS), 0..80), cut in any::<prop::sample::Index>()) {
        let text = words.join(" ");
        let whole = Headers::parse([("x", &text)]);
        prop_assert_eq!(compare(&whole, &whole, &Facts::default()), vec![]);
        let part = Headers::parse([("x", words[..cut.index(words.len() + 1)].join(" "))]);
        compare(&whole, &part, &Facts::default());
        compare(&part, &whole, &Facts::default());
    }
}

const WORDS: &[&str] = &[
    "struct",
    "class",
    "enum",
    "union",
    "typedef",
    "template",
    "<",
    ">",
    "(",
    ")",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ";",
    ":",
    "::",
    ",",
    "=",
    "*",
    "&",
    "~",
    "operator",
    "inline",
    "static",
    "const",
    "int",
    "x",
    "y",
    "F",
    "1",
    "\"C\"",
    "extern",
    "namespace",
    "using",
    "noexcept",
    "final",
    "default",
    "__attribute__",
    "\n#if",
    "\n#ifdef A\n",
    "\n#else\n",
    "\n#endif\n",
    "\n#define M",
    "\n#define G(",
    "\n#pragma pack(1)\n",
    "\n",
    "\\\n",
    "/*",
    "*/",
    "R\"(",
    "'",
];

#[test]
fn time_is_linear() {
    // Each of these would take minutes if something were looked at again and again.
    for part in [
        "(",
        ")",
        "{",
        "}",
        "<",
        "a<",
        "template<",
        "[[",
        "namespace a{",
        "struct a{",
        "a::",
        "> (",
        "/*",
        "R\"",
        "#if a\n",
        "#elif a\n",
        "#if a\n{\n#else\n",
        "#define a b\n",
        "a,",
        "x = <",
        "enum{a,",
        "int f(int a);",
        "a()",
        "\\ ",
        "\\",
        "= default",
        "__attribute__((",
        "operator",
        "\"",
        "struct a{int b;};",
    ] {
        let old = Headers::parse([("x", part.repeat(30_000))]);
        let new = Headers::parse([("x", part.repeat(29_999) + "int y = 1;")]);
        compare(&old, &new, &Facts::default());
    }
}
