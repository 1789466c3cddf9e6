//! The versions of libraries, from the file that fixes them.

const LOCK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));

/// A library's name with its version; the highest, if there are several.
pub(super) fn named(name: &str) -> String {
    format!("{name} {}", version(LOCK, name).unwrap_or("unknown"))
}

fn version<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let packages = lock.split("[[package]]\n").filter_map(|package| {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
            Some(line.trim_matches('"'))
        };
        (value("name")? == name).then(|| value("version"))?
    });
    // In the order of their versions.
    packages.last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_is_found_by_name() {
        let lock = "version = 4\n\n[[package]]\nname = \"gemm\"\nversion = \"0.18.2\"\n\n[[package]]\nname = \"gemm\"\n\
                    version = \"0.19.0\"\n\n[[package]]\nname = \"gemm-f32\"\nversion = \"0.20.0\"\n";
        assert_eq!(version(lock, "gemm"), Some("0.19.0"));
        assert_eq!(version(lock, "rten"), None);
    }

    #[test]
    fn the_version_of_a_dependency_is_known() {
        assert!(named("matrixmultiply").starts_with("matrixmultiply 0."), "{}", named("matrixmultiply"));
    }
}
