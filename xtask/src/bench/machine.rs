//! What the figures were measured on.

/// The processor and the compiler.
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) compiler: &'static str,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Machine {
            cpu: model_name(&cpuinfo).unwrap_or(std::env::consts::ARCH).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            compiler: option_env!("RUSTC_VERSION").unwrap_or("unknown"),
        }
    }
}

fn model_name(cpuinfo: &str) -> Option<&str> {
    let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == "model name").map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found() {
        assert_eq!(model_name("processor\t: 0\nmodel name\t: Fast: 9000\nmodel name\t: other\n"), Some("Fast: 9000"));
        assert_eq!(model_name("processor\t: 0\nCPU part\t: 0xd0c\n"), None);
    }
}
