//! The reader of `label index:value`.

use crate::bytes::Bytes;
use crate::file;
use nn::data::{CsvTargets, Dataset, LibsvmOptions};

/// The first byte chooses the options, the rest is the file.
pub fn run(data: &[u8]) -> String {
    let mut data = Bytes(data);
    let columns = data.choose(&[None, Some(3), Some(0), Some(usize::MAX)]);
    let path = file::write("rows.txt", data.0);
    file::check(Dataset::from_libsvm(&path, &LibsvmOptions { columns, targets: CsvTargets::Labels }))
}
