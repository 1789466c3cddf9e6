//! What the figures were measured on, and when.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// The processor, the compiler, the sources and the day.
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    /// The caches of data that a core uses, such as `L1 48K`.
    pub(crate) caches: Vec<String>,
    pub(crate) compiler: &'static str,
    /// Of the sources, with `+` where files differ from it.
    pub(crate) commit: String,
    /// As `2024-02-29`.
    pub(crate) date: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Machine {
            cpu: model_name(&cpuinfo).unwrap_or(std::env::consts::ARCH).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            caches: caches(Path::new("/sys/devices/system/cpu/cpu0/cache")),
            compiler: option_env!("RUSTC_VERSION").unwrap_or("unknown"),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
            date: date(seconds / 86_400),
        }
    }
}

fn model_name(cpuinfo: &str) -> Option<&str> {
    let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == "model name").map(|(_, value)| value.trim())
}

fn caches(directory: &Path) -> Vec<String> {
    let cache = |number| {
        let field = |name| fs::read_to_string(directory.join(format!("index{number}/{name}"))).ok();
        let (level, kind, size) = (field("level")?, field("type")?, field("size")?);
        (kind.trim() != "Instruction").then(|| format!("L{} {}", level.trim(), size.trim()))
    };
    (0..8).filter_map(cache).collect()
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(git(&["rev-parse", "--short", "HEAD"])? + if changed { "+" } else { "" })
}

/// The day that is so many after 1970-01-01, in the Gregorian calendar: years begin in March, so that the day that some
/// years have more is the last one.
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found() {
        assert_eq!(model_name("processor\t: 0\nmodel name\t: Fast: 9000\nmodel name\t: other\n"), Some("Fast: 9000"));
        assert_eq!(model_name("processor\t: 0\nCPU part\t: 0xd0c\n"), None);
    }

    #[test]
    fn days_are_dated() {
        let days = [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (19_782, "2024-02-29"),
            (47_540, "2100-02-28"),
        ];
        for (day, expected) in days {
            assert_eq!(date(day), expected);
        }
        assert_eq!(date(47_541), "2100-03-01");
    }
}
