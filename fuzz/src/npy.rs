//! The reader of NumPy's arrays.

use crate::bytes::Bytes;
use crate::file;
use nn::data::Dataset;

/// The first byte chooses the number of classes, the second the length of the file of targets, which follows; the rest is the
/// file of features.
pub fn run(data: &[u8]) -> String {
    let mut data = Bytes(data);
    let classes = data.choose(&[None, Some(10), Some(0), Some(usize::MAX)]);
    let len = usize::from(data.byte());
    let targets = file::write("y.npy", data.take(len));
    let features = file::write("x.npy", data.0);
    file::check(Dataset::from_npy(&features, &targets, classes))
}
