//! OpenBLAS, loaded at run time where it is installed.

use crate::engines::{Engine, GemmEngine, Role, Setup};
use crate::problem::{Operand, Real};
use kernels::{Isa, KernelSet};
use libloading::{Library, library_filename};
use std::env;
use std::error::Error;
use std::ffi::{CStr, OsStr, c_char, c_int};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// `cblas_sgemm` or `cblas_dgemm`: order, transposition of A, of B, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc.
type Gemm<T> = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    T,
    *const T,
    c_int,
    *const T,
    c_int,
    T,
    *mut T,
    c_int,
);

// Of the enumerations in `cblas.h`.
const ROW_MAJOR: c_int = 101;
const NO_TRANS: c_int = 111;
const TRANS: c_int = 112;

/// A copy of the library, with the kernels that it chose when it was loaded.
struct OpenBlas {
    engine: &'static str,
    config: String,
    core: String,
    sgemm: Gemm<f32>,
    dgemm: Gemm<f64>,
    set_num_threads: unsafe extern "C" fn(c_int),
    /// Stays loaded as long as the functions above may be called.
    _library: Library,
}

/// With the kernels that it takes by itself, or why there is none.
static AUTOMATIC: LazyLock<Result<OpenBlas, String>> =
    LazyLock::new(|| OpenBlas::load("openblas", &file_name()).map_err(|error| format!("not installed: {error}")));

/// On a CPU with AVX-512, with the kernels for that, where it would take others by itself: those of versions that do not
/// know the CPU are slower.
static SKYLAKEX: LazyLock<Option<Result<OpenBlas, String>>> = LazyLock::new(|| {
    let automatic = AUTOMATIC.as_ref().ok()?;
    let is_another = !automatic.core.eq_ignore_ascii_case(CORE) && KernelSet::for_isa(Isa::Avx512).is_some();
    is_another.then(|| OpenBlas::load_again_for(CORE).map_err(|error| format!("not loaded for {CORE}: {error}")))
});

/// The core with AVX-512 that the most versions know.
const CORE: &str = "SkylakeX";

/// As Debian and others install it: with the number of its interface.
fn file_name() -> PathBuf {
    let mut name = library_filename("openblas");
    if cfg!(all(unix, not(target_vendor = "apple"))) {
        name.push(".0");
    }
    name.into()
}

fn all() -> impl Iterator<Item = &'static OpenBlas> {
    AUTOMATIC.as_ref().ok().into_iter().chain(SKYLAKEX.as_ref().and_then(|loaded| loaded.as_ref().ok()))
}

/// What was loaded, or why nothing was.
pub(super) fn versions() -> impl Iterator<Item = String> {
    let describe = |loaded: &Result<OpenBlas, String>| match loaded {
        Ok(library) => library.version(),
        Err(error) => format!("OpenBLAS: {error}"),
    };
    [Some(describe(&AUTOMATIC)), SKYLAKEX.as_ref().map(describe)].into_iter().flatten()
}

pub(super) fn sgemm(setup: Setup) -> impl Iterator<Item = GemmEngine<f32>> {
    wanted(setup).map(move |library| engine(library, library.sgemm, setup.threads))
}

pub(super) fn dgemm(setup: Setup) -> impl Iterator<Item = GemmEngine<f64>> {
    wanted(setup).map(move |library| engine(library, library.dgemm, setup.threads))
}

/// Nothing is loaded for an engine of another library: that starts threads, which wait awake for a while.
fn wanted(setup: Setup) -> impl Iterator<Item = &'static OpenBlas> {
    let may_be = setup.only.is_none_or(|name| name.starts_with("openblas"));
    may_be.then(all).into_iter().flatten()
}

fn engine<T: Real>(library: &'static OpenBlas, gemm: Gemm<T>, threads: usize) -> GemmEngine<T> {
    // SAFETY: the library has this function with this signature, and takes any number.
    unsafe { (library.set_num_threads)(int(threads)) };
    let (zero, one) = (T::from(0.0), T::from(1.0));
    Engine::new(
        library.engine,
        Role::Foreign,
        Box::new(move |a, b, c| {
            let (m, k, n) = (a.rows(), a.cols(), b.cols());
            assert!(b.rows() == k && c.len() == m * n);
            let (a_trans, lda) = layout(a);
            let (b_trans, ldb) = layout(b);
            let (a, b) = (a.data().as_ptr(), b.data().as_ptr());
            // SAFETY: operands are dense and as long as their shapes say, by the check in `Operand::new`, and `layout`
            // describes them; C has m n elements, and is borrowed mutably, so apart from A and B.
            unsafe {
                gemm(
                    ROW_MAJOR,
                    a_trans,
                    b_trans,
                    int(m),
                    int(n),
                    int(k),
                    one,
                    a,
                    lda,
                    b,
                    ldb,
                    zero,
                    c.as_mut_ptr(),
                    int(n),
                );
            }
        }),
    )
}

/// Whether the rows in memory are columns of the matrix, and how far they lie apart.
fn layout<T: Copy>(x: &Operand<'_, T>) -> (c_int, c_int) {
    if x.is_transposed() { (TRANS, int(x.rows())) } else { (NO_TRANS, int(x.cols())) }
}

fn int(size: usize) -> c_int {
    size.try_into().expect("a size of a case is small")
}

impl OpenBlas {
    fn load(engine: &'static str, path: &Path) -> Result<Self, String> {
        let error = |error: libloading::Error| {
            let reason = error.source().map(|source| format!(": {source}"));
            error.to_string() + &reason.unwrap_or_default()
        };
        // SAFETY: what OpenBLAS does when it is loaded is to choose kernels and to start threads, which need nothing of us.
        let library = unsafe { Library::new(path) }.map_err(error)?;
        // SAFETY: these are the signatures of `cblas.h` where an integer has 32 bits, which is checked below before any
        // function with one is called; the library stays loaded as long as the functions are there.
        let loaded = unsafe {
            let text = |name: &[u8]| {
                let function = library.get::<unsafe extern "C" fn() -> *const c_char>(name)?;
                Ok::<_, libloading::Error>(CStr::from_ptr(function()).to_string_lossy().into_owned())
            };
            OpenBlas {
                engine,
                config: text(b"openblas_get_config").map_err(error)?,
                core: text(b"openblas_get_corename").map_err(error)?,
                sgemm: *library.get(b"cblas_sgemm").map_err(error)?,
                dgemm: *library.get(b"cblas_dgemm").map_err(error)?,
                set_num_threads: *library.get(b"openblas_set_num_threads").map_err(error)?,
                _library: library,
            }
        };
        if loaded.config.contains("USE64BITINT") {
            return Err(format!("{} has integers of 64 bits: {}", path.display(), loaded.config));
        }
        Ok(loaded)
    }

    /// Loads a copy of the file, as the same one is loaded only once, with the kernels for `core`.
    fn load_again_for(core: &str) -> Result<Self, String> {
        const CORETYPE: &str = "OPENBLAS_CORETYPE";
        let maps = fs::read_to_string("/proc/self/maps").map_err(|error| format!("/proc/self/maps: {error}"))?;
        let path = loaded_file(&maps).ok_or("its file is not among those that are mapped")?;
        let copy = env::temp_dir().join(format!("openblas-{}.so", std::process::id()));
        fs::copy(path, &copy).map_err(|error| format!("{}: {error}", copy.display()))?;
        let before = env::var_os(CORETYPE);
        // SAFETY: code of Rust reads the environment behind a lock, and other code does so only while it is loaded, which
        // is here.
        let set = |value: Option<&OsStr>| unsafe {
            match value {
                Some(value) => env::set_var(CORETYPE, value),
                None => env::remove_var(CORETYPE),
            }
        };
        set(Some(core.as_ref()));
        let loaded = OpenBlas::load("openblas skylakex", &copy);
        set(before.as_deref());
        // What is mapped stays.
        fs::remove_file(&copy).map_err(|error| format!("{}: {error}", copy.display()))?;
        let loaded = loaded?;
        if loaded.core.eq_ignore_ascii_case(core) { Ok(loaded) } else { Err(format!("it took {}", loaded.core)) }
    }

    fn version(&self) -> String {
        // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ..."
        let words: Vec<&str> = self.config.split_whitespace().take(2).collect();
        format!("{} ({})", words.join(" "), self.core)
    }
}

fn loaded_file(maps: &str) -> Option<&str> {
    let paths = maps.lines().filter_map(|line| Some(&line[line.find('/')?..]));
    paths.into_iter().find(|path| path.rsplit('/').next().is_some_and(|name| name.starts_with("libopenblas")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_an_error() {
        let error = OpenBlas::load("openblas", Path::new("/nonexistent/libopenblas.so.0")).err().unwrap();
        assert!(error.contains("/nonexistent/libopenblas.so.0"), "{error}");
    }

    #[test]
    fn a_library_without_the_functions_is_an_error() {
        let libm = library_filename("m").into_string().unwrap() + ".6";
        if cfg!(target_os = "linux") {
            let error = OpenBlas::load("openblas", Path::new(&libm)).err().unwrap();
            assert!(error.contains("openblas_get_config"), "{error}");
        }
    }

    #[test]
    fn each_line_says_what_there_is() {
        let lines: Vec<String> = versions().collect();
        assert_eq!(lines.len(), 1 + usize::from(SKYLAKEX.is_some()));
        assert_eq!(all().count(), lines.iter().filter(|line| line.starts_with("OpenBLAS ")).count(), "{lines:?}");
    }

    #[test]
    fn another_core_is_another_copy() {
        let Ok(automatic) = AUTOMATIC.as_ref() else { return println!("SKIPPED: OpenBLAS is not installed") };
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            let haswell = OpenBlas::load_again_for("Haswell").unwrap();
            assert_ne!(haswell.sgemm as usize, automatic.sgemm as usize);
            assert_eq!(haswell.core, "Haswell");
        }
    }

    #[test]
    fn the_file_is_found_where_it_is_mapped() {
        let maps = "55e0-55e1 r--p 00000000 08:01 12  /opt/openblas user/bin/xtask\n\
                    7f00-7f01 rw-p 00000000 00:00 0 \n\
                    7f02-7f03 r-xp 00001000 08:01 34  /usr/lib/libopenblasp-r0.3.21.so\n";
        assert_eq!(loaded_file(maps), Some("/usr/lib/libopenblasp-r0.3.21.so"));
        assert_eq!(loaded_file(""), None);
    }
}
