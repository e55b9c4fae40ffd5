//! The rules for C.

use crate::harness::{Case, Language::C, check, check_case};

#[test]
fn a_struct_that_callers_allocate_grows() {
    check(
        C,
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
    check(C, "struct point { int x, y; }; int f(struct point *p);", "int f(struct point *p) { return p->x; }", &[]);
}

#[test]
fn by_value() {
    check(
        C,
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
