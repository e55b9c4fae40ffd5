//! The rules for C: what is passed and laid out how.

use crate::harness::{Case, Language::C, check, check_case};

/// Functions of one header, with bodies that do nothing.
#[track_caller]
fn declare(header: &str, source: &str, expected: &[&str]) {
    check(C, header, source, expected);
}

#[test]
fn a_struct_that_callers_allocate_grows() {
    declare(
        "struct point { int x, y NEW(, z); }; void point_init(struct point *p);",
        "void point_init(struct point *p) { p->x = 1; }",
        &[
            "breaks: struct point grew from 8 to 12 bytes; reached through point_init",
            "compatible: z of struct point is new; reached through point_init",
        ],
    );
}

#[test]
fn equal_interfaces() {
    declare("struct point { int x, y; }; int f(struct point *p);", "int f(struct point *p) { return p->x; }", &[]);
}

#[test]
fn by_value() {
    declare(
        "struct pair { long a NEW(, b); };",
        "struct pair make(int n) { struct pair p = {n}; return p; } long take(struct pair p) { return p.a; }",
        &[
            "breaks: struct pair grew from 8 to 16 bytes; make returns it by value",
            "breaks: struct pair grew from 8 to 16 bytes; take takes it by value",
            "compatible: b of struct pair is new; make returns it by value",
            "compatible: b of struct pair is new; take takes it by value",
        ],
    );
}

#[test]
fn parameters_and_results() {
    declare("", "int f(int a NEW(, int b)) { return a; }", &["breaks: f takes 2 parameters instead of 1"]);
    declare("", "int f(int a OLD(, int b)) { return a; }", &["breaks: f takes 1 parameter instead of 2"]);
    declare(
        "",
        "int f(OLD(int) NEW(long) a) { return a; }",
        &["breaks: int, now long int, has 8 bytes instead of 4; f takes it by value"],
    );
    declare(
        "",
        "OLD(int) NEW(double) f(void) { return 0; }",
        &["breaks: int, now double, has 8 bytes instead of 4; f returns it by value"],
    );
    declare("", "OLD(float) NEW(int) f(void) { return 0; }", &["breaks: float is now int; f returns it by value"]);
    declare("", "OLD(void) NEW(int) f(int a) { NEW(return 1;) }", &["compatible: f returns int instead of nothing"]);
    declare("", "OLD(int) NEW(void) f(int a) { OLD(return 1;) }", &["breaks: f returns nothing instead of int"]);
    declare(
        "struct big { long a, b, c; };",
        "OLD(void) NEW(struct big) f(int a) { NEW(struct big b = {a}; return b;) }",
        &["breaks: f returns struct big instead of nothing"],
    );
    declare("", "int f(int a NEW(, ...)) { return a; }", &["unclear: f takes a variable number of parameters now"]);
    declare(
        "",
        "int f(int a OLD(, ...)) { return a; }",
        &["breaks: f no longer takes a variable number of parameters"],
    );
}

#[test]
fn names_for_the_same_type() {
    declare("", "OLD(long) NEW(long long) f(OLD(unsigned long) NEW(unsigned long long) a) { return a; }", &[]);
    declare(
        "typedef OLD(int) NEW(signed) number; typedef number count;",
        "count f(OLD(count) NEW(int) a) { return a; }",
        &[],
    );
    declare(
        "typedef OLD(int) NEW(long) offset;",
        "void f(offset a) {}",
        &["breaks: offset has 8 bytes instead of 4; f takes it by value"],
    );
}

#[test]
fn signs() {
    declare(
        "",
        "int f(OLD(int) NEW(unsigned) a) { return a; }",
        &["breaks: int is now unsigned int; f takes it by value"],
    );
    declare(
        "",
        "void f(OLD(char) NEW(unsigned char) *a) {}",
        &["compatible: char * is now unsigned char *; reached through f"],
    );
    check_case(
        &Case { source: "char f(char a) { return a; }", new_flags: &["-funsigned-char"], ..Case::default() },
        &[
            "breaks: char has changed its sign; f returns it by value",
            "breaks: char has changed its sign; f takes it by value",
        ],
    );
}

#[test]
fn pointees() {
    declare(
        "",
        "int f(OLD() NEW(const) char *a) { return *a; }",
        &["compatible: char * is now const char *; reached through f"],
    );
    declare("", "int f(OLD(const) char *a) { return *a; }", &["breaks: const char * is now char *; reached through f"]);
    declare(
        "typedef OLD(void) NEW(struct s) handle;",
        "int f(handle *a) { return 0; }",
        &["compatible: handle * is now handle *; reached through f"],
    );
    declare("", "void f(OLD(char) NEW(void) *a) {}", &["compatible: char * is now void *; reached through f"]);
    declare(
        "struct s { int a; };",
        "void f(OLD(void) NEW(struct s) *a) {}",
        &["unclear: void * is now struct s *; reached through f"],
    );
    declare(
        "struct s { int a; }; struct t { int b, c; };",
        "void f(struct OLD(s) NEW(t) *a) {}",
        &["breaks: struct s is now struct t; reached through f"],
    );
    declare(
        "",
        "void f(OLD(int) NEW(short) *a) {}",
        &["breaks: int, now short int, has 2 bytes instead of 4; reached through f"],
    );
}

#[test]
fn members() {
    declare(
        "struct s { OLD(int a; int b;) NEW(int b; int a;) };",
        "int f(struct s *s) { return s->a; }",
        &[
            "breaks: a of struct s moved from byte 0 to byte 4; reached through f",
            "breaks: b of struct s moved from byte 4 to byte 0; reached through f",
        ],
    );
    declare(
        "struct s { int OLD(a) NEW(first); int b; };",
        "int f(struct s *s) { return s->b; }",
        &["compatible: a of struct s is now called first; reached through f"],
    );
    declare(
        "struct s { int a; OLD(int b;) NEW(float c;) };",
        "int f(struct s *s) { return s->a; }",
        &[
            "breaks: int is now float; reached through f",
            "compatible: b of struct s is now called c; reached through f",
        ],
    );
    declare(
        "struct s { int a; OLD(long b;) NEW(long *b;) };",
        "int f(struct s *s) { return s->a; }",
        &["breaks: long int is now long int *; reached through f"],
    );
    declare(
        "struct s { int n; char d[OLD(8) NEW(16)]; };",
        "int f(struct s *s) { return s->n; }",
        &[
            "breaks: d of struct s has 16 bytes instead of 8 (char[8] is now char[16]); reached through f",
            "breaks: struct s grew from 12 to 20 bytes; reached through f",
        ],
    );
    declare("struct s { int n; char d[OLD(0) NEW()]; };", "int f(struct s *s) { return s->n; }", &[]);
}

#[test]
fn padding_and_reserved_members() {
    declare(
        "struct s { char a; NEW(char c;) int b; };",
        "int f(struct s *s) { return s->a; }",
        &["breaks: c of struct s lies in what was padding, which the consumer leaves unset; reached through f"],
    );
    declare(
        "struct s { char a; NEW(char c;) int b; };",
        "static struct s s; const struct s *f(void) { return &s; }",
        &["compatible: c of struct s lies in what was padding; reached through f"],
    );
    declare(
        "struct s { int a; int OLD(reserved[4]) NEW(flags, reserved[3]); };",
        "int f(struct s *s) { return s->a; }",
        &["compatible: flags of struct s takes the place of a reserved member; reached through f"],
    );
    declare(
        "struct s { long a; void OLD(*_reserved1) NEW((*hook)(int)); };",
        "int f(struct s *s) { return s->a; }",
        &["compatible: hook of struct s takes the place of a reserved member; reached through f"],
    );
    declare(
        "struct s { int a; int OLD(b) NEW(unused); };",
        "int f(struct s *s) { return s->a; }",
        &["unclear: b of struct s is gone; its place is kept; reached through f"],
    );
}

#[test]
fn structures_that_point_at_each_other() {
    declare(
        "struct child; struct parent { struct child *child; int age; }; struct child { NEW(long born;) struct parent *parent; };",
        "struct parent *f(void) { return 0; }",
        &[
            "breaks: parent of struct child moved from byte 0 to byte 8; reached through f",
            "breaks: struct child grew from 8 to 16 bytes; reached through f",
            "compatible: born of struct child is new; reached through f",
        ],
    );
}

#[test]
fn functions_that_return_now() {
    let source = "OLD(__attribute__((noreturn))) void f(void) { OLD(for (;;);) }";
    declare("", source, &["breaks: f returns now, and callers have nothing behind the call"]);
}

#[test]
fn byte_order() {
    declare(
        "struct s { int a; } NEW(__attribute__((scalar_storage_order(\"big-endian\"))));",
        "int f(struct s *s) { return s->a; }",
        &["breaks: int has another byte order; reached through f"],
    );
}

#[test]
fn folded_functions() {
    let source =
        "int f(struct s *s) { return s->a; } int g(struct s *s) { return s->a; } int h(long *l) { return *l; }";
    check_case(
        &Case { header: "struct s { long a; };", source, new_flags: &["-Os", "-fipa-icf"], ..Case::default() },
        &[],
    );
}

#[test]
fn lines_only() {
    check_case(
        &Case { source: "int f(int a) { return a; }", new_flags: &["-g1"], ..Case::default() },
        &["unclear: f: no debug information of the new library describes it"],
    );
}

#[test]
fn anonymous_members() {
    declare(
        "struct s { OLD(int a; int b;) NEW(struct { int a; int b; };) int c; };",
        "int f(struct s *s) { return s->a; }",
        &[],
    );
    declare(
        "struct s { OLD(int a;) NEW(union { int a; unsigned bits; };) int c; };",
        "int f(struct s *s) { return s->a; }",
        &["compatible: bits of struct s shares its place with another member; reached through f"],
    );
    declare(
        "struct s { OLD(int a;) NEW(union { int a; float x; };) };",
        "int f(struct s s) { return s.a; }",
        &["compatible: x of struct s shares its place with another member; f takes it by value"],
    );
    declare(
        "struct s { OLD(float a;) NEW(union { float a; int x; };) };",
        "int f(struct s s) { return s.a; }",
        &[
            "breaks: struct s is passed in other registers; f takes it by value",
            "compatible: x of struct s shares its place with another member; f takes it by value",
        ],
    );
    declare(
        "union u { int a; NEW(short b;) };",
        "int f(union u *u) { return u->a; }",
        &["compatible: b of union u is new; reached through f"],
    );
}

#[test]
fn bit_fields_and_alignment() {
    declare(
        "struct s { unsigned a : OLD(3) NEW(4), b : 5; };",
        "int f(struct s *s) { return s->a; }",
        &[
            "breaks: a of struct s has 4 bits instead of 3; reached through f",
            "breaks: b of struct s moved from bit 3 of byte 0 to bit 4 of byte 0; reached through f",
        ],
    );
    declare(
        "struct s { OLD(unsigned) NEW(int) a : 3; };",
        "int f(struct s *s) { return s->a; }",
        &["breaks: unsigned int is now int; reached through f"],
    );
    declare("struct s { OLD(unsigned) NEW(unsigned char) a : 3; int b; };", "int f(struct s *s) { return s->a; }", &[]);
    declare(
        "struct s { long a, b; } NEW(__attribute__((aligned(16))));",
        "int f(struct s *s) { return s->a; }",
        &["breaks: struct s is aligned to 16 bytes instead of 8; reached through f"],
    );
    for flags in [&["-gdwarf-4"], &["-gdwarf-5"]] {
        let header = "struct s { unsigned a : 3, b : 5; long c : 40; };";
        let source = "int f(struct s *s) { return s->a; }";
        check_case(&Case { header, source, old_flags: &["-gdwarf-5"], new_flags: flags, ..Case::default() }, &[]);
    }
}

#[test]
fn enumerations() {
    let source = "enum e f(enum e e) { return e; }";
    declare(
        "enum e { A, B NEW(, C) };",
        source,
        &[
            "compatible: enum e has a new value C; f returns it by value",
            "compatible: enum e has a new value C; f takes it by value",
        ],
    );
    let source = "void f(enum e e) { }";
    declare("enum e { A, NEW(C,) B };", source, &["breaks: B of enum e is 2 instead of 1; f takes it by value"]);
    declare("enum e { A, OLD(B) NEW(C) };", source, &["compatible: B of enum e is now called C; f takes it by value"]);
    declare("enum e { A OLD(, B) };", source, &["breaks: B of enum e is gone; f takes it by value"]);
    declare(
        "enum e { A, B, NEW(C,) E_MAX };",
        source,
        &["unclear: E_MAX of enum e, which counts the others, is 3 instead of 2; f takes it by value"],
    );
    check_case(
        &Case { header: "enum e { A, B };", source, new_flags: &["-fshort-enums"], ..Case::default() },
        &["breaks: enum e has 1 bytes instead of 4; f takes it by value"],
    );
    declare(
        "enum e { A, B };",
        "void f(OLD(enum e) NEW(int) e) { }",
        &["compatible: enum e is now int; f takes it by value"],
    );
}

#[test]
fn what_consumers_cannot_see() {
    declare(
        "struct s; int f(struct s *s);",
        "struct s { int a NEW(, b); }; int f(struct s *s) { return s->a; }",
        &["compatible: struct s, which consumers cannot look into, has changed; reached through f"],
    );
    declare(
        "typedef struct s *handle; handle make(void);",
        "struct t { long x NEW(, y); }; struct s { NEW(int n;) struct t t; }; handle make(void) { static struct s s; return &s; }",
        &["compatible: struct s, which consumers cannot look into, has changed; reached through make"],
    );
    let header = "struct s { int a NEW(, b); };";
    let source = "int f(struct s *s) { return s->a; } struct s *make(void) { static struct s s; return &s; }";
    let consumer = "struct s *make(void); int f(struct s *s); int main(void) { struct s *s = make(); return f(s); }";
    check_case(
        &Case { header, source, consumer: Some(consumer), ..Case::default() },
        &[
            "breaks: struct s grew from 4 to 8 bytes; reached through f",
            "breaks: struct s grew from 4 to 8 bytes; reached through make",
            "compatible: b of struct s is new; reached through f",
            "compatible: b of struct s is new; reached through make",
        ],
    );
}

#[test]
fn a_source_that_was_put_together_from_others() {
    // Its types may be those of a public header.
    declare(
        "",
        "struct s { int a NEW(, b); };\n#line 30000\nint f(struct s *s) { return s->a; }",
        &[
            "breaks: struct s grew from 4 to 8 bytes; reached through f",
            "compatible: b of struct s is new; reached through f",
        ],
    );
}

#[test]
fn link_time_optimisation() {
    let header = "struct s { int a NEW(, b); }; typedef float wide __attribute__((vector_size(32)));";
    let source = "int f(struct s *s) { return s->a; } wide g(wide w) { return w; }";
    let case = Case { header, source, flags: &["-flto", "-O2"], new_flags: &["-mavx"], ..Case::default() };
    check_case(
        &case,
        &[
            "breaks: g: passes wide vectors in registers on one side and in memory on the other (-mavx)",
            "breaks: struct s grew from 4 to 8 bytes; reached through f",
            "compatible: b of struct s is new; reached through f",
        ],
    );
}

#[test]
fn callbacks() {
    let source = "void f(callback c) { }";
    declare(
        "typedef void (*callback)(int a NEW(, int b));",
        source,
        &["breaks: takes 2 parameters instead of 1; reached through f"],
    );
    declare(
        "typedef OLD(void) NEW(int) (*callback)(int);",
        source,
        &["breaks: returns int instead of nothing; reached through f"],
    );
    declare(
        "typedef OLD(int) NEW(void) (*callback)(int);",
        source,
        &["compatible: returns nothing instead of int; reached through f"],
    );
    declare(
        "struct s { int a NEW(, b); }; typedef void (*callback)(struct s *s);",
        source,
        &[
            "breaks: struct s grew from 4 to 8 bytes; reached through f",
            "compatible: b of struct s is new; reached through f",
        ],
    );
}

#[test]
fn variables() {
    declare("", "int table[OLD(4) NEW(8)] = {1};", &["compatible: int[4] is now int[8]; reached through table"]);
    declare("", "int table[OLD(8) NEW(4)] = {1};", &["breaks: int[8] is now int[4]; reached through table"]);
    declare("", "OLD() NEW(const) int limit = 4;", &["breaks: limit is now read-only: writing to it fails"]);
    declare("", "OLD(const) NEW() int limit = 4;", &["compatible: limit is no longer read-only"]);
    declare(
        "",
        "OLD(int) NEW(long) limit = 4;",
        &["breaks: int, now long int, has 8 bytes instead of 4; reached through limit"],
    );
    declare("", "__thread OLD(int) NEW(float) limit = 4;", &["breaks: int is now float; reached through limit"]);
    declare(
        "",
        "OLD(int limit = 4;) NEW(int limit(void) { return 4; })",
        &["breaks: limit is a function instead of a variable"],
    );
}

#[test]
fn flags() {
    let vectors = "typedef double wide __attribute__((vector_size(32)));";
    let source = "wide f(wide w) { return w; }";
    check_case(
        &Case { header: vectors, source, new_flags: &["-mavx"], ..Case::default() },
        &["breaks: f: passes wide vectors in registers on one side and in memory on the other (-mavx)"],
    );
    check_case(&Case { header: vectors, source, flags: &["-mavx"], new_flags: &["-mavx2"], ..Case::default() }, &[]);
    let source = "void f(wide *w) { }";
    check_case(&Case { header: vectors, source, new_flags: &["-mavx"], ..Case::default() }, &[]);
    let source = "struct s { int a; } f(void) { struct s s = {1}; return s; } int g(void) { return 1; }";
    check_case(
        &Case { source, new_flags: &["-fpcc-struct-return"], ..Case::default() },
        &["breaks: f: returns its structure in memory on one side and in registers on the other (-fpcc-struct-return)"],
    );
    let source = "long double f(void) { return 1; }";
    check_case(
        &Case { source, new_flags: &["-mlong-double-128"], ..Case::default() },
        &["breaks: f: long double has another format (-mlong-double)"],
    );
    let (flags, header) = (&["-D_FILE_OFFSET_BITS=64"], "#include <sys/types.h>\n");
    check_case(&Case { header, source: "void f(off_t a) { }", new_flags: flags, ..Case::default() }, &[]);
}

#[test]
fn without_prototypes() {
    declare(
        "",
        "int f OLD((a) int a;) NEW((int a)) { return a; }",
        &["compatible: f is declared with a prototype on one side only"],
    );
    declare(
        "",
        "int f OLD((a) float a;) NEW((float a)) { return a; }",
        &["breaks: f is declared with a prototype on one side only, and a parameter is promoted without"],
    );
}

#[test]
fn other_names_and_assembler() {
    declare(
        "struct s { int a NEW(, b); };",
        "int inner(struct s *s) { return s->a; } int outer(struct s *s) __attribute__((alias(\"inner\")));",
        &[
            "breaks: struct s grew from 4 to 8 bytes; reached through inner",
            "breaks: struct s grew from 4 to 8 bytes; reached through outer",
            "compatible: b of struct s is new; reached through inner",
            "compatible: b of struct s is new; reached through outer",
        ],
    );
    declare(
        "",
        "int f(int a NEW(, int b)) __asm__(\"other\"); int f(int a NEW(, int b)) { return a; }",
        &["breaks: other takes 2 parameters instead of 1"],
    );
    declare(
        "",
        "__asm__(\".globl bare\\n.type bare,@function\\nbare: ret\\n\"); int described;",
        &["unclear: bare: no debug information describes it"],
    );
    declare(
        "",
        "static int one(OLD(int) NEW(float) a) { return a; } static int (*choose(void))(OLD(int) NEW(float)) { return one; }
         int f(OLD(int) NEW(float) a) __attribute__((ifunc(\"choose\")));",
        &["breaks: int is now float; f takes it by value"],
    );
}
