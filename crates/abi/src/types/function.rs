//! Functions: what is called, and the conventions under which its unit was compiled.

use super::graph::TypeId;

/// The type of a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    /// What it returns.
    pub returns: TypeId,
    /// What it takes, `this` first where it has one.
    pub parameters: Box<[TypeId]>,
    /// `...` at the end.
    pub variadic: bool,
    /// Whether the caller knew the parameters' types (`int f(void)`, not K&R's `int f()`). True in C++.
    pub prototyped: bool,
    /// Whether it never returns, so that callers have nothing behind the call.
    pub noreturn: bool,
}

/// What the flags of a compilation (`DW_AT_producer`) say of how its functions are called and its types laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Conventions {
    /// Whether the flags were recorded at all: GCC does, Clang only when asked.
    pub recorded: bool,
    /// The widest vectors that are passed in one register. The psABI (x86-64, 3.2.3) passes `__m256` in `%ymm`
    /// where AVX is on and in memory where it is not; `__m512` likewise.
    pub vectors: VectorLevel,
    /// `-fpcc-struct-return`: structures are returned in memory, however small.
    pub struct_in_memory: bool,
    /// `-mabi=ms`: another convention altogether.
    pub microsoft: bool,
    /// `-mlong-double-64`, `-mlong-double-128`: what `long double` is, where it is not the x87 format.
    pub long_double: Option<u8>,
    /// `-mno-80387`, `-msoft-float` and their kind: floating point is passed elsewhere.
    pub soft_float: bool,
    /// `-mregparm=N`, on 32-bit x86.
    pub regparm: u8,
    /// `-fno-asynchronous-unwind-tables`: exceptions cannot pass, on processors where they can by default.
    pub no_unwinding: bool,
    /// The C++ ABI's version (`-fabi-version=N`), where it is not the compiler's own.
    pub cxx_abi: u8,
}

/// Which vector registers the compiler may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum VectorLevel {
    /// 16 bytes: what every x86-64 has.
    #[default]
    Sse,
    /// 32 bytes.
    Avx,
    /// 64 bytes.
    Avx512,
}
