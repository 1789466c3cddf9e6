//! Inputs that are files.

use nn::Error;
use nn::data::Dataset;
use nn::file::FileError;
use std::cell::OnceCell;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

thread_local! {
    static DIRECTORY: OnceCell<TempDir> = const { OnceCell::new() };
}

/// Writes a file of this thread. It is cut to its length at the end, as file systems may bring one that was cut to nothing
/// to the disk at once.
pub(crate) fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let path = DIRECTORY.with(|directory| {
        directory.get_or_init(|| tempfile::tempdir().expect("a directory can be made")).path().join(name)
    });
    replace(&path, bytes).expect("a file can be written");
    path
}

/// Puts `bytes` in the place of what a file holds.
///
/// # Errors
/// If the file cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().create(true).truncate(false).write(true).open(path)?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)
}

/// Checks what a reader must have seen to, or that its error names the file.
pub(crate) fn check(result: nn::Result<Dataset>) -> String {
    match result {
        Ok(data) => {
            assert!(data.rows() > 0 && data.cols() > 0);
            let features = data.to_f32();
            assert_eq!(features.len(), data.rows() * data.cols());
            assert!(features.iter().all(|x| x.is_finite()));
            match data.targets() {
                nn::Targets::Labels(labels) => {
                    let classes = data.classes().expect("labels have classes");
                    assert_eq!(labels.len(), data.rows());
                    assert!(labels.iter().all(|&label| (label as usize) < classes));
                }
                nn::Targets::Values(values) => {
                    assert!(values.len() >= data.rows() && values.len() % data.rows() == 0);
                    assert!(values.iter().all(|value| value.is_finite()));
                }
            }
            format!("{} rows", data.rows().min(4))
        }
        Err(Error::File(error)) => kind(&error),
        // Such as a number of classes that is too large.
        Err(error) => format!("{error:?}").split(['{', '(']).next().unwrap_or_default().to_owned(),
    }
}

/// What an error is about, up to the first number or text of the file in it.
pub(crate) fn kind(error: &FileError) -> String {
    let (message, path) = (error.to_string(), error.path.display().to_string());
    assert!(message.starts_with(&path), "{message:?} does not start with the path {path:?}");
    let problem = format!("{:?}", error.problem);
    problem.split(|c: char| c == '"' || c.is_ascii_digit()).next().unwrap_or_default().to_owned()
}
