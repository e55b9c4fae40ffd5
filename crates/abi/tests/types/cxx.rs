//! The rules for C++: classes, virtual tables, and how objects are passed.

use crate::harness::{Case, Language::Cxx, check, check_case, run};
use aleph_abi::Effect;

/// What a consumer that does everything sees: `breaks`, `unclear` or nothing worse than `compatible`.
#[track_caller]
fn worst(header: &str, source: &str, expected: &str, because: &str) {
    worst_case(&Case { language: Cxx, header, source, ..Case::default() }, expected, because);
}

#[track_caller]
fn worst_case(case: &Case<'_>, expected: &str, because: &str) {
    let changes = run(case);
    let worst = changes.iter().max_by_key(|change| change.effect);
    let found = match worst.map(|change| change.effect) {
        None => "equal",
        Some(Effect::Compatible) => "compatible",
        Some(Effect::Unclear) => "unclear",
        Some(Effect::Breaks) => "breaks",
    };
    let text: Vec<&str> = changes.iter().map(|change| change.text.as_str()).collect();
    assert_eq!(found, expected, "{text:#?}\nheader:\n{}\nsource:\n{}", case.header, case.source);
    assert!(text.iter().any(|text| text.contains(because)) || because.is_empty(), "{text:#?} lack {because}");
}

const CLASS: &str = "void Base::f() {} int Base::g() { return 1; } Base::~Base() {}";

#[test]
fn equal_classes() {
    let header = "struct Base { virtual void f(); virtual int g(); virtual ~Base(); int x; };
        template<class T> struct Box { T value; Box *next; }; namespace n { enum class Kind : short { A, B }; }
        Box<int> make(n::Kind, decltype(nullptr), int Base::*, void (Base::*)(int), Box<Base *> &&);";
    let source = format!(
        "{CLASS} Box<int> make(n::Kind, decltype(nullptr), int Base::*, void (Base::*)(int), Box<Base *> &&) {{ return {{}}; }}"
    );
    worst(header, &source, "equal", "");
}

#[test]
fn virtual_functions() {
    let class = |members: &str| format!("struct Base {{ {members} virtual ~Base(); int x; }};");
    worst(
        &class("virtual void f(); NEW(virtual void h();) virtual int g();"),
        &format!("{CLASS} NEW(void Base::h() {{}})"),
        "breaks",
        "virtual function g of struct Base moved from slot 1 to 2",
    );
    let header = class("OLD(virtual void f(); virtual int g();) NEW(virtual int g(); virtual void f();)");
    worst(&header, CLASS, "breaks", "moved from slot 0 to 1");
    worst(
        &class("virtual void f(); OLD(virtual void h();) virtual int g();"),
        &format!("{CLASS} OLD(void Base::h() {{}})"),
        "breaks",
        "slot 1 of struct Base holds g instead of h",
    );
    worst(&class("OLD() NEW(virtual) void f(); int g();"), CLASS, "breaks", "");
    worst(
        &class("virtual void f(); virtual int g(OLD() NEW(int));"),
        "void Base::f() {} int Base::g(OLD() NEW(int)) { return 1; } Base::~Base() {}",
        "breaks",
        "slot 1",
    );
}

#[test]
fn a_virtual_function_at_the_end() {
    let header = "struct Base { virtual void f(); virtual int g(); virtual ~Base(); NEW(virtual void h();) int x; };";
    let source = format!("{CLASS} NEW(void Base::h() {{}})");
    // Who derives lacks the new function.
    worst(header, &source, "breaks", "virtual function h was added to struct Base");
    let derives = "struct Mine : Base { void f() override {} }; int main() { Mine m; Base *b = &m; b->f(); return 0; }";
    let calls = "int main() { Base b; Base *p = &b; p->f(); return p->g() != 1; }";
    let case = Case { language: Cxx, header, source: &source, ..Case::default() };
    worst_case(&Case { consumer: Some(derives), ..case.clone() }, "breaks", "virtual function h was added");
    worst_case(&Case { consumer: Some(calls), ..case }, "compatible", "");
    // Without a key function every consumer has a table of its own.
    let header = "struct Base { virtual void f() {} NEW(virtual void h() {}) }; void use(Base *);";
    let source = "void use(Base *b) { b->f(); NEW(b->h();) } Base base;";
    let makes = "int main() { Base b; use(&b); return 0; }";
    let case = Case { language: Cxx, header, source, consumer: Some(makes), ..Case::default() };
    worst_case(&case, "breaks", "virtual function h was added");
}

#[test]
fn an_interface_that_consumers_implement() {
    let header =
        "struct Listener { virtual int started() = 0; NEW(virtual int stopped() = 0;) }; int notify(Listener &);";
    let source = "int notify(Listener &l) { return l.started() NEW(+ l.stopped()); }";
    let implements =
        "struct Mine : Listener { int started() override { return 1; } }; int main() { Mine m; return notify(m); }";
    let case = Case { language: Cxx, header, source, consumer: Some(implements), ..Case::default() };
    worst_case(&case, "unclear", "the library does not describe class Listener, which the consumer knows");
}

#[test]
fn overriding() {
    let header = "struct Base { virtual void f(); virtual int g(); virtual ~Base(); int x; };
        struct Derived : Base { int y; NEW(int g() override;) virtual void own(); };";
    let source = format!("{CLASS} NEW(int Derived::g() {{ return 2; }}) void Derived::own() {{}}");
    let calls = "int main() { Derived *d = 0; return d ? d->g() : 0; }";
    let derives =
        "struct Mine : Derived { void own() override; }; void Mine::own() {} int main() { Mine m; return m.g() != 1; }";
    let case = Case { language: Cxx, header, source: &source, ..Case::default() };
    worst_case(&Case { consumer: Some(derives), ..case.clone() }, "breaks", "struct Derived overrides g now");
    worst_case(&Case { consumer: Some(calls), ..case }, "equal", "");
    // A covariant result that starts with what was promised.
    let header = "struct Base { virtual Base *clone(); virtual ~Base(); int x; };
        struct Derived : Base { OLD(Base) NEW(Derived) *clone() override; };";
    let source =
        "Base *Base::clone() { return 0; } Base::~Base() {} OLD(Base) NEW(Derived) *Derived::clone() { return 0; }";
    let calls = "int main() { Derived d; Base *b = &d; return b->clone() != 0; }";
    let case = Case { language: Cxx, header, source, consumer: Some(calls), ..Case::default() };
    worst_case(&case, "compatible", "returns struct Derived instead of struct Base");
}

#[test]
fn bases() {
    let parts = "struct A { int a; void use(); }; struct B { int b; }; struct C { int c; };";
    let source = "void A::use() {} D::D() {} void D::f() {}";
    let header = |bases: &str| format!("{parts} struct D : {bases} {{ D(); int d; void f(); }};");
    worst(&header("A NEW(, B)"), source, "breaks", "derives from struct B now");
    let source_of_empty = "void A::use() {} D::D() {} void D::f() {}";
    let header_of_empty =
        "struct A { int a; void use(); }; struct Tag {}; struct D : A NEW(, Tag) { D(); int d; void f(); };";
    worst(header_of_empty, source_of_empty, "compatible", "struct D has a new base class without members");
    worst(&header("A OLD(, B)"), source, "breaks", "no longer derives from struct B");
    worst(&header("OLD(A, B) NEW(B, A)"), source, "breaks", "in another order");
    worst(&header("NEW(virtual) A"), source, "breaks", "struct A is a virtual base of struct D now");
    worst(
        "struct A { int a; NEW(int b;) }; struct D : virtual A { D(); int d; virtual void f(); };",
        "D::D() {} void D::f() {}",
        "breaks",
        "struct A grew from 4 to 8 bytes",
    );
}

#[test]
fn trivial_copies() {
    let source = "Value make() { return {}; } int take(Value v) { return v.x; }";
    for special in
        ["~Value() {}", "Value(const Value &v) : x(v.x) {} Value() {}", "Value(Value &&v) : x(v.x) {} Value() {}"]
    {
        let header = format!("struct Value {{ int x; NEW({special}) }};");
        worst(&header, source, "breaks", "is passed by address; take(Value) takes it by value");
    }
    let header = "struct Value { int x; NEW(Value() = default; Value(const Value &) = default;) };";
    worst(header, source, "equal", "");
    let header = "struct Value { int x; void f(); NEW(Value() {} Value(const Value &) = delete;) };";
    worst(header, "void Value::f() {}", "compatible", "struct Value cannot be copied any more");
    let header = "struct Inner { int x; NEW(~Inner() {}) }; struct Value : Inner { };";
    worst(header, source, "breaks", "is passed by address");
    let header = "struct Value { int x; void f(); NEW(~Value();) };";
    worst(header, "void Value::f() {} NEW(Value::~Value() {})", "breaks", "no longer trivial");
}

#[test]
fn static_members_of_templates() {
    let header = "template<class T> struct Registry { static int slots[OLD(2) NEW(8)]; };
        template<class T> int Registry<T>::slots[OLD(2) NEW(8)]; int last();";
    worst(header, "int last() { return Registry<int>::slots[OLD(1) NEW(7)]; }", "breaks", "int[2] is now int[8]");
}

#[test]
fn exceptions() {
    let header = "struct Error { int code; NEW(int detail;) virtual const char *what(); }; void fail();";
    let source = "const char *Error::what() { return \"\"; } void fail() { throw Error(); }";
    let catches = "int main() { try { fail(); } catch (Error &e) { return e.code; } return 1; }";
    let case = Case { language: Cxx, header, source, consumer: Some(catches), ..Case::default() };
    worst_case(&case, "breaks", "detail of struct Error lies in what was padding");
    let header = "struct Error { int code; NEW(int detail;) }; void fail();";
    let source = "void fail() { Error error{1}; throw error; }";
    let case = Case { language: Cxx, header, source, consumer: Some(catches), ..Case::default() };
    worst_case(&case, "breaks", "struct Error grew from 4 to 8 bytes");
}

#[test]
fn what_is_thrown_unseen() {
    let header = "struct Error { virtual ~Error(); }; struct IoError OLD(: Error) { IoError(); virtual ~IoError(); }; void work();";
    let source = "Error::~Error() {} IoError::IoError() {} IoError::~IoError() {} void work() { throw IoError(); }";
    let catches = "int main() { try { work(); } catch (const Error &) { return 0; } return 1; }";
    let case = Case { language: Cxx, header, source, consumer: Some(catches), ..Case::default() };
    worst_case(&case, "breaks", "IoError no longer derives from Error: who catches Error does not catch it");
}

#[test]
fn references_templates_and_scopes() {
    let source = "int f(n::Box<int> &b) { return b.value; }";
    let header = "namespace n { template<class T> struct Box { T value; NEW(T more;) }; } int f(n::Box<int> &);";
    worst(header, source, "breaks", "struct n::Box<int> grew from 4 to 8 bytes");
    let header = "struct Outer { struct Inner { int a; NEW(int b;) }; Inner inner(); };";
    worst(header, "Outer::Inner Outer::inner() { return {}; }", "breaks", "struct Outer::Inner grew from 4 to 8 bytes");
    let header = "class Hidden { struct Data; Data *data; public: void f(); };";
    worst(header, "struct Hidden::Data { int a; NEW(int b;) }; void Hidden::f() { data->a = 1; }", "compatible", "");
}

#[test]
fn standard_strings() {
    let header = "#include <string>\nstruct Named { std::string name; };";
    let source = "int f(Named &n) { return n.name.size(); }";
    let case = Case { language: Cxx, header, source, ..Case::default() };
    worst_case(&case, "equal", "");
    let case = Case { new_flags: &["-D_GLIBCXX_USE_CXX11_ABI=0"], ..case };
    worst_case(&case, "breaks", "name of struct Named has 8 bytes instead of 32");
}

#[test]
fn enumerations() {
    let source = "void f(Kind k) {}";
    let header = "enum class Kind : OLD(int) NEW(short) { A, B };";
    check(Cxx, header, source, &["breaks: enum Kind has 2 bytes instead of 4; f(Kind) takes it by value"]);
    let header = "enum class Kind : OLD(signed char) NEW(unsigned char) { A, B };";
    check(
        Cxx,
        header,
        source,
        &["breaks: enum Kind has changed the sign of its underlying type; f(Kind) takes it by value"],
    );
}

#[test]
fn dwarf_versions_and_type_units() {
    let header = "#include <string>\n#include <vector>\nstruct Base { virtual void f(); virtual int g(); virtual ~Base(); int x; };
        struct Data { std::vector<std::string> names; Base *base; unsigned bits : 3; enum { X, Y } kind; };
        int use(Data &, const std::string &);";
    let source = format!("{CLASS} int use(Data &d, const std::string &) {{ return d.bits; }}");
    let base = Case { language: Cxx, header, source: &source, ..Case::default() };
    for flags in [
        &["-gdwarf-4"][..],
        &["-gdwarf-5"],
        &["-gdwarf-4", "-fdebug-types-section"],
        &["-gdwarf-5", "-fdebug-types-section"],
        &["-gz"],
        &["-gz=zlib-gnu"],
    ] {
        check_case(&Case { old_flags: &["-gdwarf-5"], new_flags: flags, ..base.clone() }, &[]);
        let header = header.replace("int x;", "int x; NEW(long y;)");
        worst_case(&Case { header: &header, flags, ..base.clone() }, "breaks", "struct Base grew from 16");
    }
}
