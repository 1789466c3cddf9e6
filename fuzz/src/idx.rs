//! The reader of IDX files.

use crate::bytes::Bytes;
use crate::file;
use nn::data::Dataset;

/// The first byte chooses the number of classes, the second the length of the file of labels, which follows; the rest is
/// the file of images.
pub fn run(data: &[u8]) -> String {
    let mut data = Bytes(data);
    let classes = data.choose(&[None, Some(10), Some(0), Some(usize::MAX)]);
    let len = usize::from(data.byte());
    let labels = file::write("labels", data.take(len));
    let images = file::write("images", data.0);
    file::check(Dataset::from_idx(&images, &labels, classes))
}
