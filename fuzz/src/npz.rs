//! The reader of NumPy's archives.

use crate::file;
use nn::data::Dataset;

/// All is the file.
pub fn run(data: &[u8]) -> String {
    let path = file::write("arrays.npz", data);
    file::check(Dataset::from_npz(&path, "x", "y", None))
}
