//! What the compiler's flags say of how functions are called: read from `DW_AT_producer`, where GCC and Clang (with
//! `-grecord-gcc-switches`, which is GCC's default) write them.

use crate::types::{Conventions, VectorLevel};

/// Processors (`-march=`) that have 512-bit vectors.
const AVX512: &[&str] = &[
    "x86-64-v4",
    "knl",
    "knm",
    "skylake-avx512",
    "cannonlake",
    "icelake-client",
    "icelake-server",
    "cascadelake",
    "cooperlake",
    "tigerlake",
    "sapphirerapids",
    "emeraldrapids",
    "rocketlake",
    "graniterapids",
    "graniterapids-d",
    "znver4",
    "znver5",
];

/// Processors that have 256-bit vectors and no larger ones.
const AVX: &[&str] = &[
    "x86-64-v3",
    "sandybridge",
    "corei7-avx",
    "ivybridge",
    "core-avx-i",
    "haswell",
    "core-avx2",
    "broadwell",
    "skylake",
    "alderlake",
    "raptorlake",
    "meteorlake",
    "arrowlake",
    "lunarlake",
    "gracemont",
    "sierraforest",
    "grandridge",
    "bdver1",
    "bdver2",
    "bdver3",
    "bdver4",
    "btver2",
    "znver1",
    "znver2",
    "znver3",
];

/// Reads the flags. The last of several that contradict each other counts.
pub(super) fn conventions(producer: &str) -> Conventions {
    let recorded = producer.contains(" -m") || producer.contains(" -O") || producer.contains(" -f");
    let mut found = Conventions { recorded, ..Conventions::default() };
    let (mut avx, mut avx512) = (None, None);
    for flag in producer.split_ascii_whitespace() {
        match flag {
            "-mavx" | "-mavx2" | "-mfma" | "-mfma4" | "-mf16c" | "-mxop" | "-mvaes" | "-mvpclmulqdq" | "-mavxvnni" => {
                avx = Some(true);
            }
            "-mno-avx" | "-mgeneral-regs-only" => (avx, avx512) = (Some(false), Some(false)),
            "-mno-avx512f" => avx512 = Some(false),
            "-fpcc-struct-return" => found.struct_in_memory = true,
            "-freg-struct-return" => found.struct_in_memory = false,
            "-mabi=ms" => found.microsoft = true,
            "-mabi=sysv" => found.microsoft = false,
            "-mlong-double-64" => found.long_double = Some(64),
            "-mlong-double-80" => found.long_double = None,
            "-mlong-double-128" => found.long_double = Some(128),
            "-msoft-float" | "-mno-sse" | "-mno-80387" => found.soft_float = true,
            "-fno-asynchronous-unwind-tables" => found.no_unwinding = true,
            "-fasynchronous-unwind-tables" | "-funwind-tables" | "-fexceptions" => found.no_unwinding = false,
            "-mhard-float" | "-m80387" => found.soft_float = false,
            _ => {
                if flag.starts_with("-mavx512") {
                    (avx, avx512) = (Some(true), Some(true));
                } else if let Some(level) = flag.strip_prefix("-mregparm=") {
                    found.regparm = level.parse().unwrap_or(0);
                } else if let Some(version) = flag.strip_prefix("-fabi-version=") {
                    found.cxx_abi = version.parse().unwrap_or(0);
                } else if let Some(processor) = flag.strip_prefix("-march=") {
                    let large = AVX512.contains(&processor);
                    avx = avx.or(Some(large || AVX.contains(&processor)).filter(|on| *on));
                    avx512 = avx512.or(Some(large).filter(|on| *on));
                }
            }
        }
    }
    found.vectors = match (avx, avx512) {
        (Some(false), _) | (None, None | Some(false)) => VectorLevel::Sse,
        (_, Some(true)) => VectorLevel::Avx512,
        _ => VectorLevel::Avx,
    };
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vector_flags() {
        let level = |flags: &str| conventions(flags).vectors;
        assert_eq!(level("GNU C17 12.2.0 -mtune=generic -march=x86-64 -g"), VectorLevel::Sse);
        assert_eq!(level("GNU C17 12.2.0 -mavx -march=x86-64"), VectorLevel::Avx);
        assert_eq!(level("GNU C17 12.2.0 -mavx2 -mno-avx"), VectorLevel::Sse);
        assert_eq!(level("GNU C17 12.2.0 -march=x86-64-v3"), VectorLevel::Avx);
        assert_eq!(level("GNU C17 12.2.0 -march=znver4"), VectorLevel::Avx512);
        assert_eq!(level("GNU C17 12.2.0 -mavx512vl -mno-avx512f"), VectorLevel::Avx);
    }

    #[test]
    fn the_last_flag_counts() {
        assert!(conventions("-fpcc-struct-return").struct_in_memory);
        assert!(!conventions("-fpcc-struct-return -freg-struct-return").struct_in_memory);
        assert_eq!(conventions("-mlong-double-128").long_double, Some(128));
    }
}
