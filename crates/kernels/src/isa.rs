//! The instruction sets and, once, the CPU features each of them needs.

use std::fmt;
use std::str::FromStr;
#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;

/// An instruction set that the kernels are compiled for.
///
/// Which one runs changes the speed and never the result: see the crate documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Plain Rust on `wide` vectors with exact `f32::mul_add`: the oracle for the others, and slow where the
    /// compilation target has no fused multiply-add.
    Portable,
    /// aarch64 Advanced SIMD.
    Neon,
    /// x86_64 AVX2 with FMA.
    Avx2,
    /// x86_64 AVX-512F and AVX-512VL.
    Avx512,
}

/// Calls `$then!` with the features of an ISA as a list of literals in front of the given tokens. Detection and
/// `#[target_feature]` both read this list, so they cannot drift apart.
macro_rules! with_features {
    (Avx2, $then:ident! $($rest:tt)*) => { $then! { ["avx2", "fma"] $($rest)* } };
    (Avx512, $then:ident! $($rest:tt)*) => { $then! { ["avx512f", "avx512vl", "avx2", "fma"] $($rest)* } };
    (Neon, $then:ident! $($rest:tt)*) => { $then! { ["neon"] $($rest)* } };
}
pub(crate) use with_features;

#[cfg(target_arch = "x86_64")]
macro_rules! detect {
    ([$($feature:tt),*]) => { [$(($feature, std::arch::is_x86_feature_detected!($feature))),*] };
}
#[cfg(target_arch = "aarch64")]
macro_rules! detect {
    ([$($feature:tt),*]) => { [$(($feature, std::arch::is_aarch64_feature_detected!($feature))),*] };
}

impl Isa {
    /// Every ISA, slowest first.
    pub const ALL: [Isa; 4] = [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512];

    /// The lower-case name that `KERNELS_ISA` and `KERNELS_REQUIRE` use.
    pub const fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }

    /// Why this ISA cannot run here, or `None` where it can.
    pub fn missing(self) -> Option<String> {
        let first_missing = |features: &[(&str, bool)]| {
            features.iter().find(|(_, present)| !present).map(|(name, _)| format!("this CPU has no {name}"))
        };
        match self {
            Isa::Portable => None,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => first_missing(&with_features!(Avx2, detect!)),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => first_missing(&with_features!(Avx512, detect!)),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => first_missing(&with_features!(Neon, detect!)),
            #[allow(unreachable_patterns, reason = "which ISAs are foreign depends on the target")]
            _ => {
                let _ = first_missing;
                Some(format!("not an instruction set of {}", std::env::consts::ARCH))
            }
        }
    }

    /// Whether this CPU can run it.
    pub fn is_available(self) -> bool {
        self.missing().is_none()
    }
}

/// Whether the CPU is one of AMD. What hardware prefetchers foresee differs by maker and is told by no feature; it decides the
/// order in which memory is read, never a result.
#[inline]
pub(crate) fn is_amd() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        static IS_AMD: OnceLock<bool> = OnceLock::new();
        *IS_AMD.get_or_init(|| {
            // SAFETY: every CPU of x86_64 has the instruction.
            #[allow(unused_unsafe, reason = "a safe function in later versions of Rust")]
            let leaf = unsafe { std::arch::x86_64::__cpuid(0) };
            [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
        })
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is not the name of an ISA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownIsa(pub String);

impl fmt::Display for UnknownIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown instruction set {:?}: expected one of", self.0)?;
        Isa::ALL.iter().try_for_each(|isa| write!(f, " {isa}"))
    }
}

impl std::error::Error for UnknownIsa {}

impl FromStr for Isa {
    type Err = UnknownIsa;

    fn from_str(text: &str) -> Result<Self, UnknownIsa> {
        Isa::ALL
            .into_iter()
            .find(|isa| isa.name().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| UnknownIsa(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse(), Ok(isa));
        }
        let error = "sse9".parse::<Isa>().unwrap_err().to_string();
        assert!(error.contains("sse9") && error.contains("avx512"), "{error}");
    }

    #[test]
    fn foreign_isas_say_why() {
        let foreign = if cfg!(target_arch = "x86_64") { Isa::Neon } else { Isa::Avx2 };
        assert!(foreign.missing().unwrap().contains(std::env::consts::ARCH));
        assert!(Isa::Portable.is_available());
    }
}
